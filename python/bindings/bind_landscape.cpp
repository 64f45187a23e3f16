#include "arrays.hpp"
#include "bindings.hpp"
#include "spotcore/landscape.hpp"

namespace spotcore::bindings {
namespace {

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
  module.def("watershed", &owners_of, "landscape"_a, "marks"_a, "used"_a);
}

}  // namespace spotcore::bindings
