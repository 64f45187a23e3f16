#include "arrays.hpp"
#include "bindings.hpp"
#include "spotcore/landscape.hpp"

namespace spotcore::bindings {
namespace {

py::array_t<float> correlated(const py::object& image_object, const py::object& taps_object,
                              int axis, const std::string& isa) {
  const auto image = strict(image_object, "image", 2);
  const auto taps = strict(taps_object, "taps", 1);
  if (axis != 0 && axis != 1) throw py::value_error("axis: expected 0 or 1");
  auto out = new_image(image.shape(0), image.shape(1));
  const ImageView in = image_view(image);
  const ImageSpan span = image_span(out);
  without_gil(
      [&] { correlate1d(in, vector_span(taps), axis == 0 ? Axis::y : Axis::x, span, isa); });
  return out;
}

py::array_t<std::int64_t> summits_of(const py::object& object) {
  const auto landscape = strict(object, "landscape", 2);
  py::array_t<std::int64_t> summit(
      std::vector<py::ssize_t>{landscape.shape(0), landscape.shape(1)});
  const ImageView in = image_view(landscape);
  const std::span out(summit.mutable_data(), static_cast<std::size_t>(summit.size()));
  without_gil([&] { climb(in, out); });
  return summit;
}

py::array_t<std::int32_t> owners_of(const py::object& landscape_object,
                                    const py::object& marks_object, const py::object& used_object) {
  const auto landscape = strict(landscape_object, "landscape", 2);
  const auto marks = strict<std::int64_t>(marks_object, "marks", 1);
  const auto used = strict<bool>(used_object, "used", 2);
  py::array_t<std::int32_t> owner(std::vector<py::ssize_t>{landscape.shape(0), landscape.shape(1)});
  const ImageView in = image_view(landscape);
  const std::span where(marks.data(), static_cast<std::size_t>(marks.size()));
  // NumPy's bool is a byte, 0 or 1.
  const std::span open(reinterpret_cast<const std::uint8_t*>(used.data()),
                       static_cast<std::size_t>(used.size()));
  const std::span out(owner.mutable_data(), static_cast<std::size_t>(owner.size()));
  without_gil([&] { watershed(in, where, open, out); });
  return owner;
}

}  // namespace

void bind_landscape(py::module_& module) {
  using namespace py::literals;
  module.def("correlate1d", &correlated, "image"_a, "taps"_a, "axis"_a, "isa"_a = "auto");
  module.def("climb", &summits_of, "landscape"_a);
  module.def("watershed", &owners_of, "landscape"_a, "marks"_a, "used"_a);
}

}  // namespace spotcore::bindings
