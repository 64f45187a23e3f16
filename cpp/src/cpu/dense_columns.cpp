#include "cpu/dense_columns.hpp"

#include <algorithm>

#define SPOTCORE_KERNEL "cpu/dense_columns.kernel.hpp"
#include "platform/foreach_isa.hpp"

namespace spotcore {

DenseKernel dense_kernel(Isa isa) {
  return {SPOTCORE_FOR_ISA(isa, dense_layout)(), SPOTCORE_FOR_ISA(isa, dense_project),
          SPOTCORE_FOR_ISA(isa, dense_expand)};
}

}  // namespace spotcore
