#include "bindings.hpp"

#include "arrays.hpp"
#include "spotcore/solvers.hpp"

namespace spotcore::bindings {
namespace {

Momentum momentum_from(const std::string& name) {
  if (name == "beck-teboulle") return Momentum::beck_teboulle;
  if (name == "chambolle-dossal") return Momentum::chambolle_dossal;
  throw py::value_error("momentum: expected 'beck-teboulle' or 'chambolle-dossal', got '" + name +
                        "'");
}

py::array_t<double> to_array(const std::vector<double>& values) {
  return py::array_t<double>(static_cast<py::ssize_t>(values.size()), values.data());
}

// What every solver is given and gives back.
struct Call {
  Call(const Operations& ops, const py::object& image_object, const py::object& w_object,
       const py::object& mask_object, const py::object& xi_object, const py::object& initial)
      : image(strict(image_object, "image", 2)),
        xi(strict(xi_object, "xi", 1)),
        w(strict_if_any(w_object, "w", 2)),
        mask(strict_if_any(mask_object, "mask", 2)),
        a(new_stack(ops.bins(), ops.height(), ops.width())) {
    if (initial.is_none()) {
      std::fill_n(a.mutable_data(), a.size(), 0.0F);
      return;
    }
    const auto start = strict(initial, "initial", 3);
    if (start.shape(0) != a.shape(0) || start.shape(1) != a.shape(1) ||
        start.shape(2) != a.shape(2)) {
      throw py::value_error("initial: expected shape " + describe(a) + ", got " + describe(start));
    }
    std::copy_n(start.data(), start.size(), a.mutable_data());
  }

  Problem problem(double lam) const {
    return {image_view(image), image_view(w), image_view(mask), vector_span(xi), lam};
  }

  py::dict answer(const SolveResult& result) {
    using namespace py::literals;
    return py::dict(
        "a"_a = a, "iterations"_a = result.last.iteration, "data_term"_a = result.last.data_term,
        "penalty"_a = result.last.penalty, "gap"_a = result.last.gap,
        "stop_reason"_a = std::string(to_string(result.reason)),
        "data_terms"_a = to_array(result.data_terms), "penalties"_a = to_array(result.penalties));
  }

  py::array_t<float> image, xi;
  std::optional<py::array_t<float>> w, mask;
  py::array_t<float> a;
};

void set_stop(StopOptions& options, double tol, double gap_tol, std::int64_t max_iter,
              const py::object& callback) {
  options.max_iter = max_iter;
  options.tol = tol;
  options.gap_tol = gap_tol;
  if (callback.is_none()) return;
  options.refresh_gap = true;
  options.progress = [&callback](const Progress& progress) {
    const py::gil_scoped_acquire acquire;
    return callback(progress).cast<bool>();
  };
}

py::dict run_fista(Operations& ops, const py::object& image, const py::object& w,
                   const py::object& mask, const py::object& xi, double lam, double step,
                   double tol, double gap_tol, std::int64_t max_iter, const std::string& momentum,
                   double momentum_a, const py::object& initial, const py::object& callback) {
  Call call(ops, image, w, mask, xi, initial);
  FistaOptions options;
  set_stop(options, tol, gap_tol, max_iter, callback);
  options.step = step;
  options.momentum = momentum_from(momentum);
  options.momentum_a = momentum_a;
  const StackSpan out = stack_span(call.a);
  return call.answer(without_gil([&] { return fista(ops, call.problem(lam), options, out); }));
}

py::dict run_primal_dual(Operations& ops, const py::object& image, const py::object& w,
                         const py::object& mask, const py::object& xi, double lam, double tol,
                         double gap_tol, std::int64_t max_iter, const py::object& initial,
                         const py::object& callback) {
  Call call(ops, image, w, mask, xi, initial);
  StopOptions options;
  set_stop(options, tol, gap_tol, max_iter, callback);
  const bool warm = !initial.is_none();
  const StackSpan out = stack_span(call.a);
  return call.answer(
      without_gil([&] { return primal_dual(ops, call.problem(lam), options, warm, out); }));
}

}  // namespace

void bind_solvers(py::module_& module) {
  using namespace py::literals;
  py::class_<Progress>(module, "Progress")
      .def_readonly("iteration", &Progress::iteration)
      .def_readonly("data_term", &Progress::data_term)
      .def_readonly("penalty", &Progress::penalty)
      .def_property_readonly("objective", &Progress::objective)
      .def_readonly("gap", &Progress::gap);
  module.def("fista", &run_fista, "operations"_a, "image"_a, "w"_a, "mask"_a, "xi"_a, "lam"_a,
             "step"_a, "tol"_a, "gap_tol"_a, "max_iter"_a, "momentum"_a, "momentum_a"_a,
             "initial"_a, "callback"_a);
  module.def("primal_dual", &run_primal_dual, "operations"_a, "image"_a, "w"_a, "mask"_a, "xi"_a,
             "lam"_a, "tol"_a, "gap_tol"_a, "max_iter"_a, "initial"_a, "callback"_a);
}

}  // namespace spotcore::bindings
