#include "cpu/data_fit.hpp"

#define SPOTCORE_KERNEL "cpu/data_fit.kernel.hpp"
#include "platform/foreach_isa.hpp"

namespace spotcore {

DataFit data_fit(Isa isa) {
  return {SPOTCORE_FOR_ISA(isa, fit_residual), SPOTCORE_FOR_ISA(isa, fit_dual_residual)};
}

}  // namespace spotcore
