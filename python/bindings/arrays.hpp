// NumPy arrays to views. Strict: the very dtype (float32 but for a few), C-contiguous, native; the
// Python layer converts, nothing here copies.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "spotcore/ops.hpp"

namespace spotcore::bindings {

namespace py = pybind11;

inline std::string describe(const py::array& array) {
  return std::string(py::str(py::object(array.attr("shape")))) + " " +
         std::string(py::str(py::object(array.attr("dtype"))));
}

// A C-contiguous array of T with `ndim` axes, or TypeError / ValueError naming the argument.
template <class T = float>
py::array_t<T> strict(const py::handle& object, const char* name, py::ssize_t ndim) {
  if (!py::isinstance<py::array>(object)) {
    throw py::type_error(std::string(name) + ": expected a NumPy array, got " +
                         std::string(py::str(py::type::handle_of(object))));
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (!py::isinstance<py::array_t<T>>(array) || !(array.flags() & py::array::c_style)) {
    throw py::type_error(std::string(name) + ": expected C-contiguous " +
                         std::string(py::str(py::object(py::dtype::of<T>()))) + ", got " +
                         describe(array));
  }
  if (array.ndim() != ndim) {
    throw py::value_error(std::string(name) + ": expected " + std::to_string(ndim) + " axes, got " +
                          describe(array));
  }
  return py::reinterpret_borrow<py::array_t<T>>(object);
}

inline ImageView image_view(const py::array_t<float>& array) {
  return {array.data(), array.shape(0), array.shape(1)};
}
inline ImageSpan image_span(py::array_t<float>& array) {
  return {array.mutable_data(), array.shape(0), array.shape(1)};
}
inline StackView stack_view(const py::array_t<float>& array) {
  return {array.data(), array.shape(0), array.shape(1), array.shape(2)};
}
inline StackSpan stack_span(py::array_t<float>& array) {
  return {array.mutable_data(), array.shape(0), array.shape(1), array.shape(2)};
}
inline std::span<const float> vector_span(const py::array_t<float>& array) {
  return {array.data(), static_cast<std::size_t>(array.shape(0))};
}

inline std::vector<float> to_vector(const py::array_t<float>& array) {
  return {array.data(), array.data() + array.size()};
}

inline py::array_t<float> new_stack(std::int64_t k, std::int64_t h, std::int64_t w) {
  return py::array_t<float>(std::vector<py::ssize_t>{k, h, w});
}
inline py::array_t<float> new_image(std::int64_t h, std::int64_t w) {
  return py::array_t<float>(std::vector<py::ssize_t>{h, w});
}

// An array that may be left out: None becomes an empty view.
inline std::optional<py::array_t<float>> strict_if_any(const py::object& object, const char* name,
                                                       py::ssize_t ndim) {
  if (object.is_none()) return std::nullopt;
  return strict(object, name, ndim);
}
inline ImageView image_view(const std::optional<py::array_t<float>>& array) {
  return array ? image_view(*array) : ImageView{};
}
inline StackView stack_view(const std::optional<py::array_t<float>>& array) {
  return array ? stack_view(*array) : StackView{};
}

// For what an operation updates in place: the caller's array is left alone.
inline py::array_t<float> copied(const py::array_t<float>& array) {
  py::array_t<float> copy(std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim()));
  std::copy_n(array.data(), array.size(), copy.mutable_data());
  return copy;
}

SeparableKernels kernels_from(const py::sequence& factors);

// Threads and instruction set as given; Python's signals are looked at while the core runs.
Execution execution(int threads, const std::string& isa);

// Runs compute() without the GIL. If a signal handler raised meanwhile, raises that.
template <class Compute>
auto without_gil(Compute compute);

}  // namespace spotcore::bindings

#include "spotcore/status.hpp"

template <class Compute>
auto spotcore::bindings::without_gil(Compute compute) {
  try {
    const py::gil_scoped_release release;
    return compute();
  } catch (const Interrupted&) {
    throw py::error_already_set();
  }
}
