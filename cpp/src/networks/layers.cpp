#include "networks/layers.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#define SPOTCORE_KERNEL "networks/layers.kernel.hpp"
#include "platform/foreach_isa.hpp"

namespace spotcore {

LayerKernel layer_kernel(Isa isa) {
  return {SPOTCORE_FOR_ISA(isa, layer_lanes)(), SPOTCORE_FOR_ISA(isa, synthesis_row),
          SPOTCORE_FOR_ISA(isa, convolution_row)};
}

}  // namespace spotcore
