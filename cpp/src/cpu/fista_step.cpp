#include <algorithm>
#include <cmath>

#include "cpu/group_shrink.hpp"

#define SPOTCORE_KERNEL "cpu/fista_step.kernel.hpp"
#include "platform/foreach_isa.hpp"

namespace spotcore {

StepPixels step_kernel(Isa isa) { return SPOTCORE_FOR_ISA(isa, step_pixels); }

}  // namespace spotcore
