#include "arrays.hpp"

namespace spotcore::bindings {

SeparableKernels kernels_from(const py::list& factors) {
  SeparableKernels kernels;
  for (const py::handle item : factors) {
    const py::array_t<float> array = strict(item, "factors", 2);
    SeparableKernel kernel;
    kernel.rank = array.shape(0);
    kernel.length = array.shape(1);
    kernel.taps.assign(array.data(), array.data() + array.size());
    kernels.push_back(std::move(kernel));
  }
  check_kernels(kernels);
  return kernels;
}

Execution execution(int threads, const std::string& isa) {
  if (threads < 0) {
    throw py::value_error("threads: expected an integer >= 0, got " + std::to_string(threads));
  }
  return {threads, isa, [] {
            const py::gil_scoped_acquire acquire;
            return PyErr_CheckSignals() != 0;
          }};
}

}  // namespace spotcore::bindings
