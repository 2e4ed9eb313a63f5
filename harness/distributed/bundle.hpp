// Runs of bytes that go the same way, as one tensor: each of Gloo's steps costs a few messages there and
// back, however short it is. A single run lies where it is; several are copied, a mebibyte at most.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace fedval::harness {

class Bundle {
 public:
  static constexpr std::size_t most = std::size_t{1} << 20;

  std::size_t bytes() const { return bytes_; }
  /// Whether there is room for so many bytes more. A run that is longer than a bundle goes alone.
  bool takes(std::size_t bytes) const { return runs_.empty() || bytes_ + bytes <= most; }
  void add(void* data, std::size_t bytes) {
    runs_.push_back({data, bytes});
    bytes_ += bytes;
  }

  /// To send.
  at::Tensor packed() {
    at::Tensor whole = room();
    each([](void* data, char* place, std::size_t bytes) { std::memcpy(place, data, bytes); });
    return whole;
  }
  /// To receive into; unpack() then puts everything in its place.
  at::Tensor room() {
    const auto size = static_cast<std::int64_t>(bytes_);
    whole_ = runs_.size() == 1 ? at::from_blob(runs_.front().data, {size}, at::kByte)
                               : at::empty({size}, at::kByte);
    return whole_;
  }
  void unpack() {
    each([](void* data, const char* place, std::size_t bytes) { std::memcpy(data, place, bytes); });
  }

 private:
  struct Run {
    void* data;
    std::size_t bytes;
  };

  template <class Copy>
  void each(Copy&& copy) {
    if (runs_.size() == 1) return;
    char* place = static_cast<char*>(whole_.data_ptr());
    for (const auto& [data, bytes] : runs_) {
      if (bytes > 0) copy(data, place, bytes);
      place += bytes;
    }
  }

  std::vector<Run> runs_;
  std::size_t bytes_ = 0;
  at::Tensor whole_;
};

}  // namespace fedval::harness
