// A drawing as the network takes it: 8 by 8 numbers from 0 to 1, each how much of its square is ink, as in scikit-learn's digits.

/** Draw strokes, lists of points from 0 to 1, in black on white. */
export function draw(canvas, strokes) {
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.lineWidth = canvas.width / 8;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    stroke.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x * canvas.width, y * canvas.height));
    context.stroke();
  }
}

/** The ink in each of 8 by 8 squares of a canvas. */
export function image(canvas) {
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return squares(data, width, height);
}

/** The same of the bytes of an image, four a pixel. */
export function squares(data, width, height) {
  const found = new Float32Array(64);
  for (let y = 0; y < height; ++y)
    for (let x = 0; x < width; ++x) found[Math.floor((8 * y) / height) * 8 + Math.floor((8 * x) / width)] += 1 - data[4 * (y * width + x)] / 255;
  return found.map((ink) => (64 * ink) / (width * height));
}
