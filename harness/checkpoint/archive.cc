#include "harness/checkpoint/archive.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

#include "fedval/error.hpp"

namespace fedval::harness {

void Archive::damaged(std::string_view what) const { fail(source_, ": byte ", place_, ": ", what); }

void Archive::raw(void* bytes, std::size_t count) {
  if (!reading_) {
    bytes_.append(static_cast<const char*>(bytes), count);
    return;
  }
  if (count > bytes_.size() - place_) damaged("ends too early");
  if (count > 0) std::memcpy(bytes, bytes_.data() + place_, count);  // of nothing there may be no address
  place_ += count;
}

void Archive::check_name(std::string_view name) {
  std::string found(name);
  put(found);
  if (found != name) damaged("expected \"" + std::string(name) + "\", found \"" + found + "\"");
}

std::size_t Archive::count_of(std::size_t size) {
  auto count = static_cast<std::uint64_t>(size);
  put(count);
  // Each entry takes a byte at least, so nothing is made that the bytes cannot fill.
  if (reading_ && count > bytes_.size() - place_) damaged("fewer entries than announced");
  return static_cast<std::size_t>(count);
}

void Archive::put(bool& value) {
  std::uint8_t byte = reading_ ? 0 : value;
  put(byte);
  if (byte > 1) damaged("neither true nor false");
  value = byte == 1;
}

void Archive::put(std::string& text) {
  const std::size_t count = count_of(text.size());
  text.resize(count);
  raw(text.data(), count);
}

void Archive::put(at::Tensor& tensor) {
  constexpr std::uint64_t none = ~std::uint64_t{0};
  std::uint64_t known = tensors_.size();
  if (!reading_) {
    const auto same =
        std::ranges::find_if(tensors_, [&](const at::Tensor& other) { return other.is_same(tensor); });
    known = tensor.defined() ? static_cast<std::uint64_t>(same - tensors_.begin()) : none;
  }
  put(known);
  if (known == none) {
    tensor = at::Tensor();
    return;
  }
  if (known < tensors_.size()) {
    tensor = tensors_[known];
    return;
  }
  if (known > tensors_.size()) damaged("a tensor that was not written");
  if (!reading_ && (tensor.scalar_type() != at::kFloat || !tensor.is_contiguous()))
    fail(source_, ": a tensor that is not of floats in a row");
  auto count = static_cast<std::uint64_t>(reading_ ? 0 : tensor.numel());
  put(count);
  if (reading_) {
    if (count > (bytes_.size() - place_) / sizeof(float)) damaged("fewer entries than announced");
    tensor = at::empty({static_cast<std::int64_t>(count)});
  }
  at::Tensor here = tensor.cpu();
  raw(here.data_ptr<float>(), count * sizeof(float));
  if (reading_) tensor = here.to(device_);
  tensors_.push_back(tensor);
}

void Archive::end() {
  if (place_ != bytes_.size()) damaged("more than was expected");
}

}  // namespace fedval::harness
