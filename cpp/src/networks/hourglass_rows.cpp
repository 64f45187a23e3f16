#include "networks/hourglass_rows.hpp"

#define SPOTCORE_KERNEL "networks/hourglass_rows.kernel.hpp"
#include "platform/foreach_isa.hpp"

namespace spotcore {

HourglassKernel hourglass_kernel(Isa isa) {
  return {SPOTCORE_FOR_ISA(isa, mean_row), SPOTCORE_FOR_ISA(isa, twice_row)};
}

}  // namespace spotcore
