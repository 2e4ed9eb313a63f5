// Values written one after the other under their names, and read back in the same order: all bits, floats and
// tensors included. One function lists a type's fields for both directions:
//
//   void fields(Archive& archive, Thing& thing) {
//     archive.field("round", thing.round);
//     archive.field("server", thing.server);
//   }
//
// A tensor that is written twice is stored once and is one tensor again when read.
#pragma once

#include <ATen/core/Tensor.h>

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fedval::harness {

class Archive {
 public:
  /// Writes.
  Archive() = default;
  /// Reads what another one wrote; messages call it `source`. Tensors come back on `device`.
  Archive(std::string bytes, std::string source, at::Device device = at::kCPU)
      : bytes_(std::move(bytes)), source_(std::move(source)), device_(device), reading_(true) {}

  bool reading() const { return reading_; }
  const std::string& bytes() const { return bytes_; }

  /// Writes the value, or reads it. Error when what is there has another name or ends too early.
  template <class T>
  void field(std::string_view name, T& value) {
    check_name(name);
    put(value);
  }

  /// Error unless all was read.
  void end();

 private:
  void check_name(std::string_view name);
  void raw(void* bytes, std::size_t count);
  [[noreturn]] void damaged(std::string_view what) const;

  template <class T>
  requires std::integral<T> || std::floating_point<T>
  void put(T& value) { raw(&value, sizeof value); }
  void put(bool& value);
  void put(std::string& text);
  void put(at::Tensor& tensor);  // floats
  template <class T>
  void put(std::optional<T>& value) {
    bool there = value.has_value();
    put(there);
    if (reading_) value = there ? std::optional<T>(T{}) : std::nullopt;
    if (there) put(*value);
  }
  template <class T>
  void put(std::vector<T>& values) {
    const std::size_t count = count_of(values.size());
    if (reading_) values.clear();
    for (std::size_t i = 0; i < count; ++i) {
      if (reading_) values.emplace_back();
      put(values[i]);
    }
  }
  template <class K, class V>
  void put(std::map<K, V>& values) {
    const std::size_t count = count_of(values.size());
    if (!reading_) {
      for (auto& [key, value] : values) {
        std::string text = key.text();
        put(text);
        put(value);
      }
      return;
    }
    values.clear();
    for (std::size_t i = 0; i < count; ++i) {
      std::string key;
      put(key);
      put(values[K(key)]);
    }
  }
  template <class T>
  requires requires(Archive& archive, T& value) { fields(archive, value); }
  void put(T& value) { fields(*this, value); }

  std::size_t count_of(std::size_t size);

  std::string bytes_;
  std::string source_ = "archive";
  at::Device device_ = at::kCPU;
  bool reading_ = false;
  std::size_t place_ = 0;
  std::vector<at::Tensor> tensors_;  // those met so far
};

}  // namespace fedval::harness
