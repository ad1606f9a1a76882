// Windows over three axes, for pooling.cuh and im2col.cuh; an axis that is missing has one place.
#pragma once
#include "plain.cuh"

// Of each axis: its length, how many windows there are, their elements, and how far apart windows and elements are.
struct ref_windows {
    long long size[3], count[3], kernel[3], stride[3], pad[3], dilate[3];

    __device__ long long elements() const { return kernel[0] * kernel[1] * kernel[2]; }
    __device__ long long windows() const { return count[0] * count[1] * count[2]; }
    __device__ long long places() const { return size[0] * size[1] * size[2]; }
    // Where window w has its k-th element, as a number below places(); -1 in the padding.
    __device__ long long place(long long w, long long k) const {
        long long at = 0, scale = 1;
        for (int axis = 2; axis >= 0; --axis) {
            const long long i = w % count[axis] * stride[axis] - pad[axis] + k % kernel[axis] * dilate[axis];
            if (i < 0 || i >= size[axis]) return -1;
            at += i * scale;
            scale *= size[axis];
            w /= count[axis];
            k /= kernel[axis];
        }
        return at;
    }
};
