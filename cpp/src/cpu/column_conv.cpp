#include "cpu/column_conv.hpp"

#include <algorithm>

#define SPOTCORE_KERNEL "cpu/column_conv.kernel.hpp"
#include "platform/foreach_isa.hpp"

namespace spotcore {

ColumnKernel column_kernel(Isa isa) {
  return {SPOTCORE_FOR_ISA(isa, strip_layout)(), SPOTCORE_FOR_ISA(isa, column_conv),
          SPOTCORE_FOR_ISA(isa, column_conv_transposed), SPOTCORE_FOR_ISA(isa, line_conv)};
}

}  // namespace spotcore
