// Compiles the file SPOTCORE_KERNEL once per instruction set, each in a namespace of its own. That
// is anonymous in it: whatever two source files compile for one instruction set (the same helper, a
// function or type of the same name), the linker never takes one for the other.
// No include guard: a source file includes this after every standard header it needs, so that no
// inline function of the standard library is compiled for a processor that may not be there.
// SPOTCORE_LANES is the number of floats in a vector register, SPOTCORE_REGISTERS their count.
#include "platform/isa.hpp"

#define SPOTCORE_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define SPOTCORE_BEGIN_TARGET(features) \
  SPOTCORE_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define SPOTCORE_END_TARGET SPOTCORE_PRAGMA(clang attribute pop)
#else
#define SPOTCORE_BEGIN_TARGET(features) \
  SPOTCORE_PRAGMA(GCC push_options) SPOTCORE_PRAGMA(GCC target(features))
#define SPOTCORE_END_TARGET SPOTCORE_PRAGMA(GCC pop_options)
#endif

#if SPOTCORE_X86_TARGETS
SPOTCORE_BEGIN_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2")
#define SPOTCORE_LANES 16
#define SPOTCORE_REGISTERS 32
namespace spotcore::v4 {
namespace {
#include SPOTCORE_KERNEL
}
}  // namespace spotcore::v4
#undef SPOTCORE_LANES
#undef SPOTCORE_REGISTERS
SPOTCORE_END_TARGET

SPOTCORE_BEGIN_TARGET("avx2,fma,bmi,bmi2")
#define SPOTCORE_LANES 8
#define SPOTCORE_REGISTERS 16
namespace spotcore::v3 {
namespace {
#include SPOTCORE_KERNEL
}
}  // namespace spotcore::v3
#undef SPOTCORE_LANES
#undef SPOTCORE_REGISTERS
SPOTCORE_END_TARGET
#endif

#define SPOTCORE_LANES 4
#if defined(__aarch64__)
#define SPOTCORE_REGISTERS 32
#else
#define SPOTCORE_REGISTERS 16
#endif
namespace spotcore::baseline {
namespace {
#include SPOTCORE_KERNEL
}
}  // namespace spotcore::baseline
#undef SPOTCORE_LANES
#undef SPOTCORE_REGISTERS

#undef SPOTCORE_BEGIN_TARGET
#undef SPOTCORE_END_TARGET
#undef SPOTCORE_PRAGMA
#undef SPOTCORE_KERNEL
