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

void bind_functions(py::module_& module) {
  using namespace py::literals;
  module.def("isa_names", &isa_names);
  module.def("isa_default", &isa_default);
  module.def("thread_default", &thread_default);
  module.def("separable_conv", &separable_conv, "x"_a, "factors"_a, "threads"_a = 0,
             "isa"_a = "auto");
  module.def("group_shrink", &group_shrink, "x"_a, "gamma"_a, "xi"_a, "threads"_a = 0,
             "isa"_a = "auto");
  module.def("local_maxima", &local_maxima_of, "score"_a);
  module.def("norm_squared_bound",
             [](const py::sequence& factors) { return norm_squared_bound(kernels_from(factors)); });
}

}  // namespace spotcore::bindings
