#include <algorithm>
#include <cmath>

#include "group_shrink.hpp"

#define SPOTCORE_KERNEL "fista_step.kernel.hpp"
#include "foreach_isa.hpp"

namespace spotcore {

StepPixels step_kernel(Isa isa) { return SPOTCORE_FOR_ISA(isa, step_pixels); }

}  // namespace spotcore
