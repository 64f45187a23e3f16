// A reference to something callable: two words, and never an allocation, which std::function makes
// for more than two captured words. What it refers to has to outlive it, so it is for arguments.
// C++26 has it as std::function_ref.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace spotcore {

template <class Signature>
class function_ref;

template <class Result, class... Arguments>
class function_ref<Result(Arguments...)> {
 public:
  template <class Body>
    requires(!std::same_as<std::remove_cvref_t<Body>, function_ref> &&
             std::is_object_v<std::remove_reference_t<Body>> &&
             std::is_invocable_r_v<Result, Body&, Arguments...>)
  // Implicit, as in the standard library: callers pass a lambda.
  function_ref(Body&& body) noexcept
      : body_(const_cast<void*>(static_cast<const void*>(std::addressof(body)))),
        call_([](void* object, Arguments... arguments) -> Result {
          return (*static_cast<std::remove_reference_t<Body>*>(object))(
              std::forward<Arguments>(arguments)...);
        }) {}

  Result operator()(Arguments... arguments) const {
    return call_(body_, std::forward<Arguments>(arguments)...);
  }

 private:
  void* body_;
  Result (*call_)(void*, Arguments...);
};

}  // namespace spotcore
