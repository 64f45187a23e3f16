#pragma once

#include <pybind11/pybind11.h>

namespace spotcore::bindings {

void bind_functions(pybind11::module_& module);
void bind_landscape(pybind11::module_& module);
void bind_networks(pybind11::module_& module);
void bind_operations(pybind11::module_& module);
void bind_solvers(pybind11::module_& module);

}  // namespace spotcore::bindings
