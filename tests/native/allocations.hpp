// Counts what this program allocates through operator new, in any thread and any of its forms.
#pragma once

#include <cstdint>

namespace check {

std::int64_t allocations();  // since the program began

}  // namespace check
