// CUDA C++ on the CPU: with this header in front, g++ compiles a .cu file to functions that run its kernels.
//
// One fiber (a stack of its own, switched by hand) for each CUDA thread that ever waits, all on one OS thread, so
// atomics are plain code and `__shared__` variables are static ones, put in place for the block that runs. Blocks run one after
// another, or where the order is shuffled a few side by side: a warp of one until it waits, then a warp of another.
// What a GPU leaves open is made bad on purpose: shared memory, and what a lane gets from one that has left,
// is filled with 0xff (NaN), and the order in which threads and blocks run is a setting (cuemu_set_order), so
// that a missing barrier shows, and blocks that are in each other's way. A block that cannot go on, because some threads wait for others that never
// come, is reported as an error, and so are writes beyond the shared memory that the launch asks for.
// Not emulated: grid-wide barriers, spinning on other blocks, asynchronous copies, weak memory order.
#pragma once
#include <math.h>
#include <sanitizer/asan_interface.h>
#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#define CUEMU 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __constant__ static
#define __restrict__ __restrict
#define __launch_bounds__(...)
// In a section of their own, so that all can be poisoned; not in templates and inline functions, which the linker merges.
#define __shared__ static __attribute__((section("cuemu_shared")))
#define HN_SHARED(name) unsigned char* const name = cuemu::running->block->dynamic_shared.data()

struct uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

struct dim3 {
    unsigned x, y, z;
    size_t size() const { return size_t(x) * y * z; }
    dim3 at(size_t i) const { return {unsigned(i % x), unsigned(i / x % y), unsigned(i / x / y)}; }
};

extern char __start_cuemu_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_cuemu_shared[] __attribute__((weak, visibility("hidden")));

namespace cuemu {

// -- fibers: prepare a stack that begins in a function, switch from one stack to another -----------

constexpr size_t STACK_BYTES = 64 * 1024;
#ifdef __SANITIZE_ADDRESS__
constexpr long GUARD = 0;  // the sanitizer has guards of its own
#else
constexpr long GUARD = 1024;  // bytes behind dynamic shared memory
#endif

#if defined(__x86_64__)
typedef void* Context;  // the stack pointer; the registers that a call must keep lie on the stack
extern "C" void cuemu_switch(Context* save, Context to);
asm(R"(
.text
.weak cuemu_switch
.type cuemu_switch, @function
cuemu_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
)");
inline void prepare(Context& context, char* stack, void (*function)()) {
    void** top = reinterpret_cast<void**>(stack + STACK_BYTES - 64);
    *--top = nullptr;  // where `function` would return to; it never does, and this keeps its stack aligned
    *--top = reinterpret_cast<void*>(function);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    context = top;
}
inline void switch_context(Context& from, Context& to) { cuemu_switch(&from, to); }
#else
typedef ucontext_t Context;
inline void prepare(Context& context, char* stack, void (*function)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = STACK_BYTES;
    context.uc_link = nullptr;
    makecontext(&context, function, 0);
}
inline void switch_context(Context& from, Context& to) { swapcontext(&from, &to); }
#endif

// -- threads, blocks and the grid that runs ---------------------------------------------------------

enum class State { fresh, ready, at_barrier, in_collective, done };

struct Block;

struct Thread {
    Context context;
    char* stack;
    Block* block;
    dim3 index;
    unsigned number;
    State state;
    // What a warp collective exchanges: who takes part, what is to be done, from which lane, the values.
    unsigned mask;
    void (*collective)(Thread* lanes, unsigned group);
    int source;
    uint64_t given, taken;
};

struct Block {
    dim3 index;
    std::vector<Thread> threads;
    std::vector<unsigned> warps, lanes;  // in the order in which they run
    size_t turn;  // of the warps
    std::vector<unsigned char> dynamic_shared;
    std::vector<char> static_shared;  // while another block runs
    unsigned live, waiting;
};

struct Grid {
    dim3 size, block_size;
    std::vector<char*> stacks;  // that no thread uses: a kernel without barriers needs one for each block that runs
    void (*kernel)();
    void (*call)(void (*kernel)(), void** arguments);  // with the parameters that the kernel has
    void** arguments;
    Context scheduler;
    const char* error;
};

constexpr unsigned SIDE_BY_SIDE = 3;  // blocks that run at a time where the order is shuffled: one warp of one, then one of another

static Grid grid;
static Block blocks[SIDE_BY_SIDE];
static Block* inside;  // whose static shared memory lies in place
static Thread* running;
static unsigned order;  // 0 forward, 1 backward, above: shuffled by that seed

inline void wait(State state) {
    running->state = state;
    switch_context(running->context, grid.scheduler);
}

[[noreturn]] inline void stop(const char* error) {
    grid.error = error;
    for (;;) wait(State::done);
}

inline unsigned live_lanes(Thread* lanes) {
    unsigned live = 0;
    const std::vector<Thread>& threads = lanes->block->threads;
    const unsigned count = std::min<unsigned>(32, threads.data() + threads.size() - lanes);
    for (unsigned i = 0; i < count; ++i) live |= unsigned(lanes[i].state != State::done) << i;
    return live;
}

// If every live lane of the thread's group has come, do what they came for, once, and let them go on.
inline bool complete(Thread& thread) {
    Thread* const lanes = &thread - thread.number % 32;
    const unsigned group = thread.mask & live_lanes(lanes);
    for (unsigned i = 0; i < 32; ++i) {
        if (!(group >> i & 1)) continue;
        const Thread& other = lanes[i];
        if (other.state != State::in_collective || other.mask != thread.mask || other.collective != thread.collective) return false;
    }
    thread.collective(lanes, group);
    for (unsigned i = 0; i < 32; ++i)
        if (group >> i & 1) lanes[i].state = State::ready;
    return true;
}

inline void exchange(unsigned mask, void (*collective)(Thread*, unsigned), int source, uint64_t given) {
    Thread& me = *running;
    if (!(mask >> me.number % 32 & 1)) stop("a thread calls a warp function whose mask leaves it out");
    me.mask = mask;
    me.collective = collective;
    me.source = source;
    me.given = given;
    me.state = State::in_collective;
    if (!complete(me)) wait(State::in_collective);
}

inline void thread_main() {
    grid.call(grid.kernel, grid.arguments);
    Thread& me = *running;
    me.state = State::done;
    Thread* const lanes = &me - me.number % 32;
    for (unsigned left = live_lanes(lanes), i = 0; i < 32; ++i)  // a lane that leaves no longer holds the others up
        if (left >> i & 1 && lanes[i].state == State::in_collective) complete(lanes[i]);
    wait(State::done);
}

inline unsigned below(unsigned n, uint64_t& random) {
    random = random * 6364136223846793005u + 1442695040888963407u;  // Knuth's generator
    return (random >> 33) % n;
}

inline std::vector<unsigned> ordered(unsigned count, unsigned seed) {
    std::vector<unsigned> numbers(count);
    for (unsigned i = 0; i < count; ++i) numbers[i] = order == 1 ? count - 1 - i : i;
    uint64_t random = uint64_t(order) << 32 | seed;
    for (unsigned i = count; order > 1 && i > 1; --i) std::swap(numbers[i - 1], numbers[below(i, random)]);  // Fisher and Yates's shuffle
    return numbers;
}

inline char* take_stack() {
    if (grid.stacks.empty()) return static_cast<char*>(aligned_alloc(4096, STACK_BYTES));
    char* const stack = grid.stacks.back();
    grid.stacks.pop_back();
    return stack;
}

inline void run_thread(Thread& thread) {
    if (thread.state == State::fresh) {
        thread.stack = take_stack();
        prepare(thread.context, thread.stack, thread_main);
    }
    thread.state = State::ready;
    running = &thread;
    switch_context(grid.scheduler, thread.context);
    if (thread.state == State::done) {
        grid.stacks.push_back(thread.stack);
        --thread.block->live;
    } else if (thread.state == State::at_barrier) {
        ++thread.block->waiting;
    }
}

// Whether any lane of the warp that begins at a thread could run.
inline bool run_warp(Block& block, unsigned first) {
    bool ran = false;
    for (const unsigned lane : block.lanes) {
        if (first + lane >= block.threads.size() || block.threads[first + lane].state > State::ready || grid.error) continue;
        run_thread(block.threads[first + lane]);
        ran = true;
    }
    return ran;
}

inline size_t static_bytes() { return __start_cuemu_shared ? __stop_cuemu_shared - __start_cuemu_shared : 0; }

inline void start(Block& block, dim3 index) {
    const unsigned count = grid.block_size.size();
    block.index = index;
    block.threads.resize(count);
    for (unsigned i = 0; i < count; ++i) {
        Thread& thread = block.threads[i];
        thread.block = &block;
        thread.index = grid.block_size.at(i);
        thread.number = i;
        thread.state = State::fresh;
    }
    block.live = count;
    block.waiting = block.turn = 0;
    block.warps = ordered((count + 31) / 32, index.x);
    block.lanes = ordered(32, index.x);
    std::fill(block.dynamic_shared.begin(), block.dynamic_shared.end(), 0xff);
    block.static_shared.assign(static_bytes(), char(0xff));
    if (inside == &block) inside = nullptr;
}

// Put a block's static shared memory in its place.
inline void enter(Block& block) {
    if (inside == &block) return;
    if (inside) std::copy(__start_cuemu_shared, __start_cuemu_shared + static_bytes(), inside->static_shared.begin());
    std::copy(block.static_shared.begin(), block.static_shared.end(), __start_cuemu_shared);
    inside = &block;
}

// Run a warp until all its lanes wait: warps drift as far apart as barriers let them.
inline void take_turn(Block& block) {
    enter(block);
    for (size_t tried = 0; tried < block.warps.size() && !grid.error; ++tried) {
        if (run_warp(block, block.warps[block.turn] * 32)) {
            while (run_warp(block, block.warps[block.turn] * 32)) continue;
            return;
        }
        block.turn = (block.turn + 1) % block.warps.size();
    }
    if (grid.error || !block.live) return;
    if (block.waiting != block.live) {
        grid.error = "deadlock: threads wait at a barrier or in a warp function that others never reach";
        return;
    }
    for (Thread& thread : block.threads)
        if (thread.state == State::at_barrier) thread.state = State::ready;
    block.waiting = block.turn = 0;
}

inline void leave(Block& block) {
    const bool intact = std::count(block.dynamic_shared.end() - GUARD, block.dynamic_shared.end(), 0xff) == GUARD;
    if (!intact && !grid.error) grid.error = "a write beyond the shared memory that the launch asks for";
    for (const Thread& thread : block.threads) {  // those that an error left behind, in functions that will not end
        if (thread.state == State::done || thread.state == State::fresh) continue;
        ASAN_UNPOISON_MEMORY_REGION(thread.stack, STACK_BYTES);
        grid.stacks.push_back(thread.stack);
    }
}

inline const char* run_grid(const unsigned* shape, size_t shared_bytes) {
    grid.size = {shape[0], shape[1], shape[2]};
    grid.block_size = {shape[3], shape[4], shape[5]};
    grid.error = nullptr;
    const bool possible = grid.size.size() && grid.block_size.size() && grid.block_size.size() <= 1024;
    if (!possible || std::max(shape[1], shape[2]) > 65535 || shape[5] > 64) return "a grid or block of a size that no device takes";
    if (shared_bytes > 48 * 1024) return "more shared memory than a kernel gets unless an attribute of the function says so";
    const std::vector<unsigned> numbers = ordered(grid.size.size(), 0);
    size_t next = 0;
    std::vector<Block*> resident;
    while (resident.size() < (order > 1 ? SIDE_BY_SIDE : 1) && next < numbers.size()) {
        Block& block = blocks[resident.size()];
        block.dynamic_shared.resize(shared_bytes + GUARD);
        start(block, grid.size.at(numbers[next++]));
        resident.push_back(&block);
    }
    uint64_t random = order;
    while (!resident.empty() && !grid.error) {
        const unsigned chosen = resident.size() > 1 ? below(resident.size(), random) : 0;
        Block& block = *resident[chosen];
        take_turn(block);
        if (block.live || grid.error) continue;
        leave(block);
        if (next < numbers.size())
            start(block, grid.size.at(numbers[next++]));
        else
            resident.erase(resident.begin() + chosen);
    }
    for (Block* block : resident) leave(*block);
    inside = nullptr;
    return grid.error;
}

template <class... A, size_t... I> void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<A>*>(arguments[I])...);
}
template <class... A> const char* launch(const unsigned* shape, size_t shared_bytes, void (*kernel)(A...), void** arguments) {
    grid.kernel = reinterpret_cast<void (*)()>(kernel);
    grid.call = [](void (*k)(), void** a) { call(reinterpret_cast<void (*)(A...)>(k), a, std::index_sequence_for<A...>()); };
    grid.arguments = arguments;
    return run_grid(shape, shared_bytes);
}

// -- 16-bit floating numbers (IEEE 754 binary16, bfloat16), rounded to nearest, ties to even -----------

inline uint32_t bits_of(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
inline float float_of(uint32_t u) { float x; memcpy(&x, &u, 4); return x; }

inline uint16_t half_bits(float x) {
    const uint32_t sign = bits_of(x) >> 16 & 0x8000;
    uint32_t u = bits_of(x) & 0x7fffffff;
    if (u > 0x7f800000) return sign | 0x7e00;
    if (u >= 0x477ff000) return sign | 0x7c00;  // 65520 and above become infinite
    if (u < 0x38800000) return sign | (bits_of(float_of(u) + 0.5f) - 0x3f000000);  // subnormal: the sum has its last place at 2^-24
    u += 0xfff + (u >> 13 & 1);
    return sign | ((u - 0x38000000) >> 13);
}
inline float half_value(uint16_t h) {
    const float sign = h & 0x8000 ? -1 : 1;
    const uint32_t exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 31) return sign * float_of(0x7f800000 | fraction << 13);
    return exponent ? float_of(uint32_t(h & 0x8000) << 16 | (exponent + 112) << 23 | fraction << 13) : sign * ldexpf(fraction, -24);
}
inline uint16_t bfloat16_bits(float x) {
    const uint32_t u = bits_of(x);
    return (u & 0x7fffffff) > 0x7f800000 ? (u >> 16 | 0x40) : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

}  // namespace cuemu

// The loader appends one of these for each kernel.
#define CUEMU_EXPORT(kernel)                                                                                     \
    extern "C" const char* cuemu_launch_##kernel(const unsigned* shape, size_t shared_bytes, void** arguments) { \
        return cuemu::launch(shape, shared_bytes, kernel, arguments);                                            \
    }
extern "C" inline __attribute__((used)) void cuemu_set_order(unsigned order) { cuemu::order = order; }

// -- what CUDA gives to kernels ------------------------------------------------------------------------

#define threadIdx (cuemu::running->index)
#define blockIdx (cuemu::running->block->index)
#define blockDim (cuemu::grid.block_size)
#define gridDim (cuemu::grid.size)

inline void __syncthreads() { cuemu::wait(cuemu::State::at_barrier); }
inline void __threadfence() {}

inline void __syncwarp(unsigned mask = 0xffffffffu) {
    cuemu::exchange(mask, [](cuemu::Thread*, unsigned) {}, 0, 0);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    cuemu::exchange(mask, [](cuemu::Thread* lanes, unsigned group) {
        unsigned votes = 0;
        for (int i = 0; i < 32; ++i) votes |= unsigned(group >> i & 1 && lanes[i].given) << i;
        for (int i = 0; i < 32; ++i) if (group >> i & 1) lanes[i].taken = votes;
    }, 0, predicate != 0);
    return cuemu::running->taken;
}
template <class T> T __shfl_sync(unsigned mask, T value, int source) {
    static_assert(sizeof(T) <= 8);
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(T));
    cuemu::exchange(mask, [](cuemu::Thread* lanes, unsigned group) {
        for (int i = 0; i < 32; ++i) {
            const int from = lanes[i].source & 31;
            if (group >> i & 1) lanes[i].taken = group >> from & 1 ? lanes[from].given : ~0ull;
        }
    }, source, bits);
    memcpy(&value, &cuemu::running->taken, sizeof(T));
    return value;
}
inline int cuemu_lane(int by = 0) { const int own = cuemu::running->number % 32, to = own + by; return to >= 0 && to < 32 ? to : own; }
template <class T> T __shfl_xor_sync(unsigned mask, T value, int distance) { return __shfl_sync(mask, value, cuemu_lane() ^ distance); }
template <class T> T __shfl_down_sync(unsigned mask, T value, int distance) { return __shfl_sync(mask, value, cuemu_lane(distance)); }
template <class T> T __shfl_up_sync(unsigned mask, T value, int distance) { return __shfl_sync(mask, value, cuemu_lane(-distance)); }

template <class T> T atomicAdd(T* at, T value) { const T old = *at; *at = old + value; return old; }
template <class T> T atomicMax(T* at, T value) { const T old = *at; *at = std::max(old, value); return old; }
template <class T> T atomicMin(T* at, T value) { const T old = *at; *at = std::min(old, value); return old; }

inline int __float_as_int(float x) { return int(cuemu::bits_of(x)); }
inline float __int_as_float(int i) { return cuemu::float_of(uint32_t(i)); }
inline unsigned __float_as_uint(float x) { return cuemu::bits_of(x); }
inline float __uint_as_float(unsigned u) { return cuemu::float_of(u); }
inline double __longlong_as_double(long long i) { double x; memcpy(&x, &i, 8); return x; }
inline unsigned __umulhi(unsigned a, unsigned b) { return uint64_t(a) * b >> 32; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return static_cast<unsigned __int128>(a) * b >> 64; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double sinpi(double x) { return sin(M_PI * x); }
inline double cospi(double x) { return cos(M_PI * x); }
inline float sinpif(float x) { return float(sinpi(x)); }
inline float cospif(float x) { return float(cospi(x)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }

// Winitzki's first guess, then Newton's steps on erfc where erf is near 1.
inline double erfinv(double x) {
    if (!(fabs(x) < 1)) return fabs(x) == 1 ? x * HUGE_VAL : NAN;
    const double l = log1p(-x * x), t = 2 / (M_PI * 0.147) + l / 2;
    double y = sqrt(sqrt(t * t - l / 0.147) - t);
    for (int i = 0; i < 4; ++i) y -= (fabs(x) < 0.5 ? erf(y) - fabs(x) : 1 - fabs(x) - erfc(y)) * exp(y * y) * sqrt(M_PI) / 2;
    return copysign(y, x);
}
inline float erfinv(float x) { return float(erfinv(double(x))); }
