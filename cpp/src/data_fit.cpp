#include "data_fit.hpp"

#define SPOTCORE_KERNEL "data_fit.kernel.hpp"
#include "foreach_isa.hpp"

namespace spotcore {

DataFit data_fit(Isa isa) {
  return {SPOTCORE_FOR_ISA(isa, fit_residual), SPOTCORE_FOR_ISA(isa, fit_dual_residual)};
}

}  // namespace spotcore
