#include "bindings.hpp"

#include "arrays.hpp"
#include "spotcore/solvers.hpp"

namespace spotcore::bindings {
namespace {

// A plan whose kernels are never used: the pixelwise operations need only a shape and threads.
std::unique_ptr<Operations> pixelwise_plan(const py::array_t<float>& x, int threads,
                                           const std::string& isa) {
  const SeparableKernels identity(static_cast<std::size_t>(x.shape(0)), {1, 1, {1.0F}});
  return make_cpu_operations(identity, x.shape(1), x.shape(2), execution(threads, isa));
}

// (even, odd), halves of vectors on an axis: [n, ceil(size / 2)] and [n, floor(size / 2)].
AxisBasis axis_from(const py::tuple& halves, const char* name) {
  if (halves.size() != 2) throw py::value_error(std::string(name) + ": expected (even, odd)");
  const auto even = strict(halves[0], name, 2), odd = strict(halves[1], name, 2);
  return {even.shape(1) + odd.shape(1), to_vector(even), to_vector(odd)};
}

std::unique_ptr<Operations> make_observation(const py::sequence& factors, std::int64_t height,
                                             std::int64_t width, int threads,
                                             const std::string& isa,
                                             const py::object& preconditioner) {
  if (preconditioner.is_none()) {
    return make_cpu_operations(kernels_from(factors), height, width, execution(threads, isa));
  }
  const auto parts = preconditioner.cast<py::tuple>();  // rows, columns, eigenvalues, floor, scale
  if (parts.size() != 5) throw py::value_error("preconditioner: expected five parts");
  const Preconditioner given{axis_from(parts[0], "rows"), axis_from(parts[1], "columns"),
                             to_vector(strict(parts[2], "eigenvalues", 2)), parts[3].cast<float>(),
                             parts[4].cast<float>()};
  return make_cpu_operations(kernels_from(factors), height, width, execution(threads, isa), &given);
}

py::array_t<float> separable_conv(const py::object& x_object, const py::sequence& factors,
                                  int threads, const std::string& isa) {
  const auto x = strict(x_object, "x", 3);
  const auto ops =
      make_cpu_operations(kernels_from(factors), x.shape(1), x.shape(2), execution(threads, isa));
  auto y = new_stack(x.shape(0), x.shape(1), x.shape(2));
  const StackView in = stack_view(x);
  const StackSpan out = stack_span(y);
  without_gil([&] { ops->separable_conv(in, out); });
  return y;
}

py::array_t<float> group_shrink(const py::object& x_object, float gamma,
                                const py::object& xi_object, int threads, const std::string& isa) {
  const auto x = strict(x_object, "x", 3);
  const auto xi = strict(xi_object, "xi", 1);
  const auto ops = pixelwise_plan(x, threads, isa);
  auto y = new_stack(x.shape(0), x.shape(1), x.shape(2));
  const StackView in = stack_view(x);
  const StackSpan out = stack_span(y);
  const Shrinkage shrinkage{gamma, vector_span(xi)};
  without_gil([&] { ops->group_shrink(in, shrinkage, out); });
  return y;
}

py::tuple fista_step(Operations& ops, const py::object& residual_object, const py::object& a_object,
                     const py::object& a_prev_object, const py::object& mask_object, float step,
                     float alpha, float gamma, const py::object& xi_object) {
  const auto residual = strict(residual_object, "residual", 2);
  const auto a = strict(a_object, "a", 3);
  const auto a_prev = strict(a_prev_object, "a_prev", 3);
  const auto xi = strict(xi_object, "xi", 1);
  const OptionalImage mask(mask_object, "mask");
  auto next = new_stack(ops.bins(), ops.height(), ops.width());
  auto A_next = new_image(ops.height(), ops.width());
  const StackSpan out = stack_span(next);
  const ImageSpan image = image_span(A_next);
  const Shrinkage shrinkage{gamma, vector_span(xi)};
  const double penalty = without_gil([&] {
    return ops.fista_step(image_view(residual), stack_view(a), stack_view(a_prev), mask.view(),
                          step, alpha, shrinkage, out, image);
  });
  return py::make_tuple(next, A_next, penalty);
}

py::tuple local_maxima_of(const py::object& score_object) {
  const auto score = strict(score_object, "score", 2);
  const ImageView view = image_view(score);
  const std::vector<Maximum> maxima = without_gil([&] { return local_maxima(view); });
  const auto n = static_cast<py::ssize_t>(maxima.size());
  py::array_t<std::int64_t> yx(std::vector<py::ssize_t>{n, 2});
  py::array_t<float> values(n);
  for (py::ssize_t i = 0; i < n; ++i) {
    const Maximum& maximum = maxima[static_cast<std::size_t>(i)];
    yx.mutable_at(i, 0) = maximum.y;
    yx.mutable_at(i, 1) = maximum.x;
    values.mutable_at(i) = maximum.value;
  }
  return py::make_tuple(yx, values);
}

}  // namespace

void bind_ops(py::module_& module) {
  using namespace py::literals;
  module.def("isa_names", &isa_names);
  module.def("isa_default", &isa_default);
  module.def("thread_default", &thread_default);
  module.def("separable_conv", &separable_conv, "x"_a, "factors"_a, "threads"_a = 0,
             "isa"_a = "auto");
  module.def("group_shrink", &group_shrink, "x"_a, "gamma"_a, "xi"_a, "threads"_a = 0,
             "isa"_a = "auto");
  module.def("local_maxima", &local_maxima_of, "score"_a);

  py::class_<Operations>(module, "Observation")
      .def(py::init(&make_observation), "factors"_a, "height"_a, "width"_a, "threads"_a = 0,
           "isa"_a = "auto", "preconditioner"_a = py::none())
      .def(
          "forward",
          [](Operations& ops, const py::object& object) {
            const auto a = strict(object, "a", 3);
            auto d = new_image(ops.height(), ops.width());
            const StackView in = stack_view(a);
            const ImageSpan out = image_span(d);
            without_gil([&] { ops.forward(in, out); });
            return d;
          },
          "a"_a)
      .def(
          "adjoint",
          [](Operations& ops, const py::object& object) {
            const auto d = strict(object, "d", 2);
            auto a = new_stack(ops.bins(), ops.height(), ops.width());
            const ImageView in = image_view(d);
            const StackSpan out = stack_span(a);
            without_gil([&] { ops.adjoint(in, out); });
            return a;
          },
          "d"_a)
      .def("fista_step", &fista_step, "residual"_a, "a"_a, "a_prev"_a, "mask"_a, "step"_a,
           "alpha"_a, "gamma"_a, "xi"_a)
      .def(
          "normal_solve",
          [](Operations& ops, const py::object& object, float c) {
            const auto r = strict(object, "r", 2);
            auto x = new_image(ops.height(), ops.width());
            std::fill_n(x.mutable_data(), x.size(), 0.0F);
            const ImageView in = image_view(r);
            const ImageSpan out = image_span(x);
            without_gil([&] { ops.normal_solve(in, c, 1.0F, out); });
            return x;
          },
          "r"_a, "c"_a)
      .def(
          "preconditioner_ratio",
          [](Operations& ops, int iterations) {
            return without_gil([&] { return preconditioner_ratio(ops, iterations); });
          },
          "iterations"_a)
      .def(
          "norm_squared",
          [](Operations& ops, double tol, int max_iter) {
            return without_gil([&] { return norm_squared(ops, tol, max_iter); });
          },
          "tol"_a = 1e-6, "max_iter"_a = 1000);
  module.def("norm_squared_bound",
             [](const py::sequence& factors) { return norm_squared_bound(kernels_from(factors)); });
}

}  // namespace spotcore::bindings
