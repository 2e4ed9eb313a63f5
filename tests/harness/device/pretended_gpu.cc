#include "tests/harness/device/pretended_gpu.hpp"

#if TORCH_VERSION_MAJOR < 2 && !__has_include(<ATen/cuda/CUDAConfig.h>)

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/NativeFunctions.h>
#include <ATen/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/op_registration/adaption.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace fedval::tests {

namespace {

using at::Tensor;

std::atomic<std::size_t> bytes_to_host, bytes_to_device;

/// Beyond what a program of this processor can have, so that reading there ends it.
constexpr std::uintptr_t hidden = std::uintptr_t{1} << 47;

char* shifted(void* pointer, std::uintptr_t by) {
  return pointer == nullptr ? nullptr
                            : reinterpret_cast<char*>(reinterpret_cast<std::uintptr_t>(pointer) + by);
}

class HiddenMemory final : public at::Allocator {
 public:
  at::DataPtr allocate(std::size_t bytes) const override {
    constexpr std::size_t line = 64;
    void* const memory = bytes == 0 ? nullptr : std::aligned_alloc(line, (bytes + line - 1) / line * line);
    void* const there = shifted(memory, hidden);
    return {there, there, &give_back, at::Device(at::kCUDA, 0)};
  }
  at::DeleterFnPtr raw_deleter() const override { return &give_back; }

 private:
  static void give_back(void* there) { std::free(shifted(there, -hidden)); }
};

HiddenMemory hidden_memory;

/// The same entries as a tensor of the host's.
Tensor uncovered(const Tensor& tensor) {
  const auto options = tensor.options().device(at::kCPU).requires_grad(false);
  char* const memory = shifted(tensor.storage().data(), -hidden);
  if (memory == nullptr) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  return at::from_blob(memory + static_cast<std::size_t>(tensor.storage_offset()) * tensor.element_size(),
                       tensor.sizes(), tensor.strides(), options);
}

Tensor empty(at::IntArrayRef sizes, c10::optional<at::ScalarType> type, c10::optional<at::Layout>,
             c10::optional<at::Device>, c10::optional<bool>, c10::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, &hidden_memory, at::DispatchKeySet(at::DispatchKey::CUDA),
                                   at::dtype_or_default(type), format);
}

Tensor empty_strided(at::IntArrayRef sizes, at::IntArrayRef strides, c10::optional<at::ScalarType> type,
                     c10::optional<at::Layout>, c10::optional<at::Device>, c10::optional<bool>) {
  return at::detail::empty_strided_generic(
      sizes, strides, &hidden_memory, at::DispatchKeySet(at::DispatchKey::CUDA), at::dtype_or_default(type));
}

Tensor& copy(Tensor& to, const Tensor& from, bool) {
  if (!to.is_cuda()) bytes_to_host += from.nbytes();
  if (!from.is_cuda()) bytes_to_device += from.nbytes();
  const c10::impl::ExcludeDispatchKeyGuard no_history(c10::autograd_dispatch_keyset);
  (to.is_cuda() ? uncovered(to) : to).copy_(from.is_cuda() ? uncovered(from) : from);
  return to;
}

at::Scalar value(const Tensor& tensor) {
  bytes_to_host += tensor.nbytes();
  return uncovered(tensor).item();
}

Tensor view(const Tensor& tensor, at::IntArrayRef sizes) { return at::native::view(tensor, sizes); }

Tensor as_strided(const Tensor& tensor, at::IntArrayRef sizes, at::IntArrayRef strides,
                  c10::optional<std::int64_t> offset) {
  return at::native::as_strided_tensorimpl(tensor, sizes, strides, offset);
}

Tensor reshape_alias(const Tensor& tensor, at::IntArrayRef sizes, at::IntArrayRef strides) {
  return at::native::_reshape_alias(tensor, sizes, strides);
}

Tensor covered(const Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  Tensor there = at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(at::kCUDA));
  uncovered(there).copy_(tensor);
  return there;
}

/// What an operation is given on the device, as the CPU's kernels take it.
class Arguments {
 public:
  Arguments(const c10::FunctionSchema& schema, torch::jit::Stack& stack)
      : schema_(schema), count_(schema.arguments().size()), begin_(stack.size() - count_) {
    for (std::size_t i = 0; i < count_; ++i) {
      c10::IValue& value = stack[begin_ + i];
      given_.push_back(value);
      if (value.isTensor()) {
        value = host(value.toTensor());
      } else if (value.isTensorList()) {
        c10::List<Tensor> list;
        for (const Tensor& each : value.toTensorVector()) list.push_back(host(each));
        value = list;
      } else if (value.isOptionalTensorList()) {
        c10::List<c10::optional<Tensor>> list;
        for (const c10::optional<Tensor> each : value.toOptionalTensorList())
          list.push_back(each ? c10::optional<Tensor>(host(*each)) : each);
        value = list;
      } else if (value.isDevice()) {
        value = at::Device(at::kCPU);
      }
      uncovered_.push_back(value);
    }
  }

  std::size_t begin() const { return begin_; }

  /// The argument that a result is, where the operation writes to one.
  c10::IValue written(const at::AliasInfo& alias) const {
    for (std::size_t i = 0; i < count_; ++i) {
      const at::AliasInfo* own = schema_.arguments()[i].alias_info();
      if (own == nullptr || !own->isWrite() || *own != alias) continue;
      const Tensor output = given_[i].toTensor(), result = uncovered_[i].toTensor();
      if (output.sizes() != result.sizes())  // it was empty, and has been given its size
        output.unsafeGetTensorImpl()->shallow_copy_from(covered(result).getIntrusivePtr());
      return given_[i];
    }
    TORCH_CHECK(false, schema_.name(), ": writes to no argument");
  }

 private:
  Tensor host(const Tensor& tensor) const {
    if (!tensor.defined()) return tensor;
    if (tensor.is_cuda()) return uncovered(tensor);
    TORCH_CHECK(tensor.dim() == 0, schema_.name(), ": a tensor of the host's among the device's");
    return tensor;
  }

  const c10::FunctionSchema& schema_;
  std::size_t count_, begin_;
  std::vector<c10::IValue> given_, uncovered_;
};

void with_kernels_of_the_cpu(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  const c10::FunctionSchema& schema = operation.schema();
  const Arguments arguments(schema, *stack);
  const c10::impl::ExcludeDispatchKeyGuard no_history(c10::autograd_dispatch_keyset);
  operation.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  for (std::size_t i = 0; i < schema.returns().size(); ++i) {
    c10::IValue& value = (*stack)[arguments.begin() + i];
    const at::AliasInfo* alias = schema.returns()[i].alias_info();
    TORCH_CHECK(alias == nullptr || alias->isWrite(), schema.name(), ": a view that is not known here");
    if (alias != nullptr) {
      value = arguments.written(*alias);
    } else if (value.isTensor()) {
      value = covered(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& each : value.toTensorVector()) list.push_back(covered(each));
      value = list;
    }
  }
}

/// One device, one stream, everything done at once.
class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  at::DeviceType type() const override { return at::kCUDA; }
  at::Device exchangeDevice(at::Device) const override { return getDevice(); }
  at::Device getDevice() const override { return {at::kCUDA, 0}; }
  void setDevice(at::Device) const override {}
  void uncheckedSetDevice(at::Device) const noexcept override {}
  at::Stream getStream(at::Device device) const noexcept override {
    return at::Stream(at::Stream::DEFAULT, device);
  }
  at::Stream exchangeStream(at::Stream stream) const noexcept override { return stream; }
  at::DeviceIndex deviceCount() const noexcept override { return 1; }
};

}  // namespace

Traffic traffic() { return {bytes_to_host, bytes_to_device}; }

}  // namespace fedval::tests

// LibTorch looks for these by name.
struct CUDAHooks final : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void initCUDA() const override {}
  bool hasCUDA() const override { return true; }
  int getNumGPUs() const override { return 1; }
  std::int64_t current_device() const override { return 0; }
  bool hasPrimaryContext(std::int64_t) const override { return true; }
  void deviceSynchronize(std::int64_t) const override {}
  const at::Generator& getDefaultCUDAGenerator(at::DeviceIndex) const override {
    return at::detail::getDefaultCPUGenerator();
  }
};

namespace at {
REGISTER_CUDA_HOOKS(CUDAHooks);
}  // namespace at

C10_REGISTER_GUARD_IMPL(CUDA, fedval::tests::Guard);

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&fedval::tests::with_kernels_of_the_cpu>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", fedval::tests::empty);
  library.impl("empty_strided", fedval::tests::empty_strided);
  library.impl("copy_", fedval::tests::copy);
  library.impl("_local_scalar_dense", fedval::tests::value);
  library.impl("view", fedval::tests::view);
  library.impl("as_strided", fedval::tests::as_strided);
  library.impl("_reshape_alias", fedval::tests::reshape_alias);
}

#else

fedval::tests::Traffic fedval::tests::traffic() { return {}; }

#endif
