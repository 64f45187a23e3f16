#pragma once

#include <pybind11/pybind11.h>

namespace spotcore::bindings {

void bind_landscape(pybind11::module_& module);
void bind_networks(pybind11::module_& module);
void bind_observation(pybind11::module_& module);
void bind_ops(pybind11::module_& module);
void bind_solvers(pybind11::module_& module);

}  // namespace spotcore::bindings
