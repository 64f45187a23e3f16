#include "network_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#define SPOTCORE_KERNEL "network.kernel.hpp"
#include "foreach_isa.hpp"

namespace spotcore {

NetworkKernel network_kernel(Isa isa) {
  return {SPOTCORE_FOR_ISA(isa, network_lanes)(), SPOTCORE_FOR_ISA(isa, synthesis_row),
          SPOTCORE_FOR_ISA(isa, convolution_row)};
}

}  // namespace spotcore
