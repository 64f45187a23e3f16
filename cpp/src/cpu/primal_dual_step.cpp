#include <algorithm>
#include <cmath>

#include "cpu/group_shrink.hpp"

#define SPOTCORE_KERNEL "cpu/primal_dual_step.kernel.hpp"
#include "platform/foreach_isa.hpp"

namespace spotcore {

PrimalDualPixels primal_dual_kernel(Isa isa) { return SPOTCORE_FOR_ISA(isa, primal_dual_pixels); }

}  // namespace spotcore
