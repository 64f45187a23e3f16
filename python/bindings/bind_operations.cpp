// The plan of one model and image size: every operation of ops.hpp on NumPy arrays.
#include "arrays.hpp"
#include "bindings.hpp"
#include "spotcore/solvers.hpp"

namespace spotcore::bindings {
namespace {

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

py::tuple fista_step(Operations& ops, const py::object& residual_object, const py::object& a_object,
                     const py::object& a_prev_object, const py::object& mask_object, float step,
                     float alpha, float gamma, const py::object& xi_object) {
  const auto residual = strict(residual_object, "residual", 2);
  const auto a = strict(a_object, "a", 3);
  const auto a_prev = strict(a_prev_object, "a_prev", 3);
  const auto xi = strict(xi_object, "xi", 1);
  const auto mask = strict_if_any(mask_object, "mask", 2);
  auto next = new_stack(ops.bins(), ops.height(), ops.width());
  auto A_next = new_image(ops.height(), ops.width());
  const StackSpan out = stack_span(next);
  const ImageSpan image = image_span(A_next);
  const Shrinkage shrinkage{gamma, vector_span(xi)};
  const double penalty = without_gil([&] {
    return ops.fista_step(image_view(residual), stack_view(a), stack_view(a_prev), image_view(mask),
                          step, alpha, shrinkage, out, image);
  });
  return py::make_tuple(next, A_next, penalty);
}

py::tuple primal_dual_step(Operations& ops, const py::object& nu_object, const py::object& e_object,
                           const py::object& mask_object, float step, float relaxation, float gamma,
                           const py::object& xi_object) {
  const auto nu = strict(nu_object, "nu", 2);
  auto e = strict_if_any(e_object, "e", 3);
  if (e) e = copied(*e);
  const auto mask = strict_if_any(mask_object, "mask", 2);
  const auto xi = strict(xi_object, "xi", 1);
  auto z = new_stack(ops.bins(), ops.height(), ops.width());
  auto Az = new_image(ops.height(), ops.width());
  const StackSpan relaxed = e ? stack_span(*e) : StackSpan{};
  const StackSpan out = stack_span(z);
  const ImageSpan image = image_span(Az);
  const Shrinkage shrinkage{gamma, vector_span(xi)};
  const double norms = without_gil([&] {
    return ops.primal_dual_step(image_view(nu), relaxed, image_view(mask), step, relaxation,
                                shrinkage, out, image);
  });
  return py::make_tuple(z, e, Az, norms);
}

py::tuple dual_residual(Operations& ops, const py::object& nu_object, const py::object& Az_object,
                        const py::object& d_object, const py::object& w_object, float step_y,
                        float relaxation, const py::object& e_y_object,
                        const py::object& Ae_object) {
  const auto nu = strict(nu_object, "nu", 2);
  const auto Az = strict(Az_object, "Az", 2);
  const auto d = strict(d_object, "d", 2);
  const auto w = strict_if_any(w_object, "w", 2);
  auto e_y = copied(strict(e_y_object, "e_y", 2));
  auto Ae = copied(strict(Ae_object, "Ae", 2));
  auto residual = new_image(ops.height(), ops.width());
  const ImageSpan relaxed_y = image_span(e_y), relaxed = image_span(Ae), out = image_span(residual);
  const double data_term = without_gil([&] {
    return ops.dual_residual(image_view(nu), image_view(Az), image_view(d), image_view(w), step_y,
                             relaxation, relaxed_y, relaxed, out);
  });
  return py::make_tuple(residual, e_y, Ae, data_term);
}

py::tuple residual(Operations& ops, const py::object& Aa_object, const py::object& Aa_prev_object,
                   float alpha, const py::object& d_object, const py::object& w_object) {
  const auto Aa = strict(Aa_object, "Aa", 2);
  const auto Aa_prev = strict(Aa_prev_object, "Aa_prev", 2);
  const auto d = strict(d_object, "d", 2);
  const auto w = strict_if_any(w_object, "w", 2);
  auto residual = new_image(ops.height(), ops.width());
  const ImageSpan out = image_span(residual);
  const double data_term = without_gil([&] {
    return ops.residual(image_view(Aa), image_view(Aa_prev), alpha, image_view(d), image_view(w),
                        out);
  });
  return py::make_tuple(residual, data_term);
}

double background_ratio(Operations& ops, const py::object& v_object, const py::object& q_object,
                        const py::object& mask_object, const py::object& xi_object) {
  const auto v = strict(v_object, "v", 3);
  const auto q = strict(q_object, "q", 3);
  const auto mask = strict_if_any(mask_object, "mask", 2);
  const auto xi = strict(xi_object, "xi", 1);
  return without_gil([&] {
    return ops.background_ratio(stack_view(v), stack_view(q), image_view(mask), vector_span(xi));
  });
}

double dual_norm(Operations& ops, const py::object& v_object, const py::object& q_object, float rho,
                 const py::object& mask_object, const py::object& xi_object) {
  const auto v = strict(v_object, "v", 3);
  const auto q = strict_if_any(q_object, "q", 3);
  const auto mask = strict_if_any(mask_object, "mask", 2);
  const auto xi = strict(xi_object, "xi", 1);
  return without_gil([&] {
    return ops.dual_norm(stack_view(v), stack_view(q), rho, image_view(mask), vector_span(xi));
  });
}

}  // namespace

void bind_operations(py::module_& module) {
  using namespace py::literals;
  py::class_<Operations>(module, "Operations")
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
      .def("primal_dual_step", &primal_dual_step, "nu"_a, "e"_a, "mask"_a, "step"_a, "relaxation"_a,
           "gamma"_a, "xi"_a)
      .def("dual_residual", &dual_residual, "nu"_a, "Az"_a, "d"_a, "w"_a, "step_y"_a,
           "relaxation"_a, "e_y"_a, "Ae"_a)
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
      .def("residual", &residual, "Aa"_a, "Aa_prev"_a, "alpha"_a, "d"_a, "w"_a)
      .def("background_ratio", &background_ratio, "v"_a, "q"_a, "mask"_a, "xi"_a)
      .def("dual_norm", &dual_norm, "v"_a, "q"_a, "rho"_a, "mask"_a, "xi"_a)
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
}

}  // namespace spotcore::bindings
