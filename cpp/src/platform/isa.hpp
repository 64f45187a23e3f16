// The instruction sets that kernels are compiled for, and the choice among them at run time.
//
// A file `X.kernel.hpp` is compiled once per target by
//     #define SPOTCORE_KERNEL "cpu/X.kernel.hpp"
//     #include "platform/foreach_isa.hpp"
// and leaves one namespace per target, each with the same functions, that only the file which
// included it can see; `Isa` says which to call.
#pragma once

#include <string>
#include <vector>

namespace spotcore {

enum class Isa { baseline, v3, v4 };  // x86-64-v3: AVX2 and FMA; x86-64-v4: AVX-512 F, BW, DQ, VL

// "auto" and the names of isa_names(); std::invalid_argument for anything else.
Isa isa_from_name(const std::string& name);

}  // namespace spotcore

#if defined(__x86_64__) && defined(__GNUC__)
#define SPOTCORE_X86_TARGETS 1
// Picks the function of the right namespace: SPOTCORE_FOR_ISA(isa, name) is a function pointer.
#define SPOTCORE_FOR_ISA(isa, name)           \
  ((isa) == ::spotcore::Isa::v4   ? &v4::name \
   : (isa) == ::spotcore::Isa::v3 ? &v3::name \
                                  : &baseline::name)
#else
#define SPOTCORE_X86_TARGETS 0
#define SPOTCORE_FOR_ISA(isa, name) (&baseline::name)
#endif
