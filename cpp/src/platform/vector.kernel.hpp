// The vector of the instruction set that is open, and its views of memory. Included by kernels,
// once per instruction set (see foreach_isa.hpp).

inline constexpr int kLanes = SPOTCORE_LANES;

typedef float Vector __attribute__((vector_size(4 * SPOTCORE_LANES), aligned(4), may_alias));

inline Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
inline void store(Vector v, float* to) { *reinterpret_cast<Vector*>(to) = v; }
