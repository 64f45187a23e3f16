#include "bindings.hpp"

PYBIND11_MODULE(_core, module) {
  module.doc() = "Compiled core of spotcore. Use the functions of the package instead.";
  spotcore::bindings::bind_functions(module);
  spotcore::bindings::bind_operations(module);
  spotcore::bindings::bind_solvers(module);
  spotcore::bindings::bind_landscape(module);
  spotcore::bindings::bind_networks(module);
}
