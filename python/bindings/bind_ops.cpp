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

py::tuple fista_step(const py::object& gradient_object, const py::object& a_object,
                     const py::object& a_prev_object, const py::object& mask_object, float step,
                     float alpha, float gamma, const py::object& xi_object, int threads,
                     const std::string& isa) {
  const auto gradient = strict(gradient_object, "gradient", 3);
  const auto a = strict(a_object, "a", 3);
  const auto a_prev = strict(a_prev_object, "a_prev", 3);
  const auto xi = strict(xi_object, "xi", 1);
  const OptionalImage mask(mask_object, "mask");
  const auto ops = pixelwise_plan(a, threads, isa);
  auto next = new_stack(a.shape(0), a.shape(1), a.shape(2));
  const StackSpan out = stack_span(next);
  const Shrinkage shrinkage{gamma, vector_span(xi)};
  const double penalty = without_gil([&] {
    return ops->fista_step(stack_view(gradient), stack_view(a), stack_view(a_prev), mask.view(),
                           step, alpha, shrinkage, out);
  });
  return py::make_tuple(next, penalty);
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
  module.def("fista_step", &fista_step, "gradient"_a, "a"_a, "a_prev"_a, "mask"_a, "step"_a,
             "alpha"_a, "gamma"_a, "xi"_a, "threads"_a = 0, "isa"_a = "auto");
  module.def("local_maxima", &local_maxima_of, "score"_a);

  py::class_<Operations>(module, "Observation")
      .def(py::init([](const py::sequence& factors, std::int64_t height, std::int64_t width,
                       int threads, const std::string& isa) {
             return make_cpu_operations(kernels_from(factors), height, width,
                                        execution(threads, isa));
           }),
           "factors"_a, "height"_a, "width"_a, "threads"_a = 0, "isa"_a = "auto")
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
