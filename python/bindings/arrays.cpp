#include "arrays.hpp"

namespace spotcore::bindings {

SeparableKernels kernels_from(const py::sequence& factors) {
  SeparableKernels kernels;
  for (const py::handle item : factors) {
    SeparableKernel kernel;
    py::object object = py::reinterpret_borrow<py::object>(item);
    if (py::isinstance<py::tuple>(item)) {
      const auto fields = py::reinterpret_borrow<py::tuple>(item);
      if (fields.size() != 3) throw py::value_error("factors: expected (factors, scale, lowpass)");
      object = fields[0];
      kernel.scale = fields[1].cast<std::int64_t>();
      kernel.lowpass = to_vector(strict(fields[2], "lowpass", 1));
    }
    const py::array_t<float> array = strict(object, "factors", 2);
    kernel.rank = array.shape(0);
    kernel.length = array.shape(1);
    kernel.taps = to_vector(array);
    kernels.push_back(std::move(kernel));
  }
  return kernels;
}

Execution execution(int threads, const std::string& isa) {
  return {threads, isa, [] {
            const py::gil_scoped_acquire acquire;
            return PyErr_CheckSignals() != 0;
          }};
}

}  // namespace spotcore::bindings
