// A device that is none: torch's spare device type "privateuseone", whose memory is the host's. It refuses what a GPU
// refuses (tensors of two devices in one operation, operations without a CUDA kernel), and what a run of ours is not to
// do (draw random numbers on the device), and counts how often the host waits for the device. Operations are the CPU's
// own, on the same memory.

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/SparseCsrTensorUtils.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace {

const c10::Device kDevice(c10::DeviceType::PrivateUse1, 0);

// --- how often the host waits ---------------------------------------------------------------------------------------

// What makes the host wait on CUDA: the size of the answer, or the answer itself, has to be known there.
const std::set<std::string> kWaiting = {
    "aten::nonzero",   "aten::masked_select", "aten::_unique",  "aten::_unique2",
    "aten::equal",     "aten::unique_dim",    "aten::bincount", "aten::unique_consecutive",
    "aten::is_nonzero"};

std::map<std::string, int64_t>& waits() {
    static std::map<std::string, int64_t> found;
    return found;
}

const char* const kUpload = "copy to the device";

void count(const std::string& name) {
    static std::mutex mutex;  // autograd has a thread of its own for the device
    std::lock_guard<std::mutex> guard(mutex);
    ++waits()[name];
}

// Operations that torch has for the CPU and not for CUDA.
std::set<std::string>& lacking() {
    static std::set<std::string> found;
    return found;
}

// --- memory, guard, hooks -------------------------------------------------------------------------------------------

void release(void* data) { std::free(data); }

struct Memory final : c10::Allocator {
    c10::DataPtr allocate(size_t bytes) override {
        void* data = std::malloc(bytes ? bytes : 1);
        if (data) std::memset(data, 0xff, bytes);  // what nobody has written is no number
        return {data, data, &release, kDevice};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &release; }
    void copy_data(void* to, const void* from, std::size_t bytes) const override { std::memcpy(to, from, bytes); }
};

Memory memory;
REGISTER_ALLOCATOR(c10::DeviceType::PrivateUse1, &memory)

struct Guard final : c10::impl::DeviceGuardImplInterface {
    static constexpr c10::DeviceType static_type = c10::DeviceType::PrivateUse1;
    c10::DeviceType type() const override { return static_type; }
    c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
    c10::Device getDevice() const override { return kDevice; }
    void setDevice(c10::Device) const override {}
    void uncheckedSetDevice(c10::Device) const noexcept override {}
    c10::Stream getStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
    c10::Stream getNewStream(c10::Device, int) const override { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
    c10::Stream exchangeStream(c10::Stream) const override { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
    c10::DeviceIndex deviceCount() const noexcept override { return 1; }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

struct Hooks final : at::PrivateUse1HooksInterface {
    bool isBuilt() const override { return true; }
    bool isAvailable() const override { return true; }
    bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
    c10::DeviceIndex deviceCount() const override { return 1; }
    void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
        c10::DataPtr data = memory.allocate(bytes);
        std::memcpy(data.get(), storage.data(), std::min(bytes, storage.nbytes()));
        storage.set_data_ptr(std::move(data));
        storage.unsafeGetStorageImpl()->set_nbytes(bytes);
    }
};

// --- a device tensor seen from the host, and the other way round ----------------------------------------------------

// The device tensors of one call, and the host's views of them.
struct Pair {
    at::Tensor view, original;
};
using Seen = std::vector<Pair>;

at::Tensor on_host(const at::Tensor& tensor, const std::string& name, Seen& seen) {
    if (!tensor.defined()) return tensor;
    if (tensor.device() != kDevice) {
        // What Python's own numbers become; a tensor of one number that somebody made on the CPU is refused, though
        // some of CUDA's operations would take it.
        TORCH_CHECK(tensor.unsafeGetTensorImpl()->is_wrapped_number(), "two devices: ", name, " was given a tensor ",
                    tensor.sizes(), " on ", tensor.device(), " beside others on the device");
        return tensor;
    }
    const auto options = at::TensorOptions().dtype(tensor.dtype()).device(at::kCPU);
    // What holds nothing may be given a size by the operation, as out= is.
    at::Tensor view = tensor.numel() == 0
                          ? at::empty(tensor.sizes(), options)
                          : at::from_blob(tensor.mutable_data_ptr(), tensor.sizes(), tensor.strides(), options);
    seen.push_back({view, tensor});
    return view;
}

at::Tensor on_device(const at::Tensor& tensor, const Seen& seen) {
    if (!tensor.defined()) return tensor;
    for (const auto& [view, original] : seen)
        if (tensor.is_same(view)) {
            if (view.sizes() != original.sizes()) {
                original.resize_(view.sizes());
                std::memcpy(original.mutable_data_ptr(), view.const_data_ptr(), view.nbytes());
            }
            return original;
        }
    for (const auto& [view, original] : seen) {
        if (!tensor.storage().is_alias_of(view.storage())) continue;  // a view of what was given
        const auto shift = static_cast<const char*>(tensor.data_ptr()) - static_cast<const char*>(original.data_ptr());
        const int64_t offset = original.storage_offset() + shift / static_cast<int64_t>(tensor.element_size());
        return at::native::as_strided_tensorimpl(original, tensor.sizes(), tensor.strides(), offset);
    }
    const size_t bytes = tensor.storage().nbytes();
    auto* keep = new at::Tensor(tensor);
    c10::DataPtr data(
        tensor.storage().mutable_data(), keep, [](void* held) { delete static_cast<at::Tensor*>(held); }, kDevice);
    c10::Storage storage(c10::Storage::use_byte_size_t(), bytes, std::move(data), &memory, true);
    auto made = at::detail::make_tensor<c10::TensorImpl>(
        std::move(storage), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), tensor.dtype());
    made.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
    return made;
}

c10::IValue argument_on_host(const c10::IValue& value, const std::string& name, Seen& seen) {
    if (value.isTensor()) return on_host(value.toTensor(), name, seen);
    if (value.isDevice()) return value.toDevice() == kDevice ? c10::IValue(c10::Device(at::kCPU)) : value;
    TORCH_CHECK(!value.isGenerator(), "random numbers on the device: ", name, " was handed a generator");
    if (value.isTensorList()) {
        c10::List<at::Tensor> list;
        for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(on_host(tensor, name, seen));
        return list;
    }
    if (value.isOptionalTensorList()) {
        c10::List<std::optional<at::Tensor>> list;
        for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector())
            list.push_back(tensor ? std::optional<at::Tensor>(on_host(*tensor, name, seen)) : std::nullopt);
        return list;
    }
    return value;
}

c10::IValue answer_on_device(const c10::IValue& value, const Seen& seen) {
    if (value.isTensor()) return on_device(value.toTensor(), seen);
    if (value.isTensorList()) {
        c10::List<at::Tensor> list;
        for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(on_device(tensor, seen));
        return list;
    }
    return value;
}

// --- operations -----------------------------------------------------------------------------------------------------

// What x[index] = value makes the host wait for on CUDA. To write where a mask is true, the device has to say how often
// it is, unless one number is written, which is a fill; a number to be written at ids is copied there first.
void count_assignment(const torch::jit::Stack& stack, size_t arguments) {
    const auto given = torch::jit::last(stack, arguments);
    bool mask = false;
    for (const std::optional<at::Tensor>& index : given[1].toOptionalTensorVector())
        mask = mask || (index && index->defined() && index->scalar_type() == at::kBool);
    const bool number = given[2].toTensor().dim() == 0;
    if (mask != number) count(mask ? "aten::nonzero" : kUpload);
}

void any(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
    const auto& schema = operation.schema();
    const std::string& name = schema.name();
    const size_t arguments = schema.arguments().size();
    TORCH_CHECK(name.rfind("aten::", 0) == 0, name, " has no implementation for the device");
    for (const auto& argument : schema.arguments())
        TORCH_CHECK(argument.name() != "generator", "random numbers on the device: ", name);
    TORCH_CHECK(!lacking().count(name), name, " has no CUDA kernel");
    if (kWaiting.count(name)) count(name);
    if (name == "aten::_index_put_impl_") count_assignment(*stack, arguments);
    Seen seen;
    torch::jit::Stack host;
    for (const c10::IValue& value : torch::jit::last(*stack, arguments)) {
        if (name == "aten::repeat_interleave" && value.isNone() && arguments == 2) count(name);
        host.push_back(argument_on_host(value, name, seen));
    }
    torch::jit::drop(*stack, arguments);
    operation.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &host);
    for (const c10::IValue& value : host) torch::jit::push(*stack, answer_on_device(value, seen));
}

at::Tensor empty(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
    return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), &memory,
                                     c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(dtype),
                                     format);
}

at::Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
    return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), &memory,
                                             c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                             c10::dtype_or_default(dtype));
}

at::Tensor as_strided(const at::Tensor& self, c10::SymIntArrayRef size, c10::SymIntArrayRef stride,
                      std::optional<c10::SymInt> offset) {
    std::optional<int64_t> begin = offset ? std::optional<int64_t>(offset->expect_int()) : std::nullopt;
    return at::native::as_strided_tensorimpl(self, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
                                             begin);
}

at::Tensor view(const at::Tensor& self, c10::SymIntArrayRef size) {
    return at::native::view(self, C10_AS_INTARRAYREF_SLOW(size));
}

at::Tensor reshape_alias(const at::Tensor& self, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
    return at::native::_reshape_alias(self, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
}

const at::Tensor& resize_(const at::Tensor& self, c10::SymIntArrayRef size, std::optional<at::MemoryFormat>) {
    at::IntArrayRef wanted = C10_AS_INTARRAYREF_SLOW(size);
    const size_t bytes = c10::multiply_integers(wanted) * self.element_size();
    if (self.storage().nbytes() < bytes) Hooks().resizePrivateUse1Bytes(self.storage(), bytes);
    self.unsafeGetTensorImpl()->set_sizes_contiguous(wanted);
    return self;
}

at::Tensor& set_storage(at::Tensor& self, c10::Storage storage, c10::SymInt offset, c10::SymIntArrayRef size,
                        c10::SymIntArrayRef stride) {
    self.unsafeGetTensorImpl()->set_storage_keep_dtype(std::move(storage));
    self.unsafeGetTensorImpl()->set_sizes_and_strides(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
                                                      offset.expect_int());
    return self;
}

at::Tensor plain(const at::Tensor& tensor) {
    Seen seen;
    return tensor.device() == kDevice ? on_host(tensor, "copy", seen) : tensor;
}

at::Tensor copy_from(const at::Tensor& self, const at::Tensor& to, bool) {
    if (self.device() == kDevice && to.device() != kDevice) count("copy to the host");
    if (self.device() != kDevice && to.device() == kDevice) count(kUpload);
    plain(to).copy_(plain(self));
    return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& to) {
    to.resize_(self.sizes());
    return copy_from(self, to, false);
}

at::Scalar local_scalar(const at::Tensor& self) {
    count("aten::_local_scalar_dense");
    return plain(self).item();
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
    m.impl("empty.memory_format", &empty);
    m.impl("empty_strided", &empty_strided);
    m.impl("as_strided", &as_strided);
    m.impl("view", &view);
    m.impl("_reshape_alias", &reshape_alias);
    m.impl("resize_", &resize_);
    m.impl("set_.source_Storage_storage_offset", &set_storage);
    m.impl("_copy_from", &copy_from);
    m.impl("_copy_from_and_resize", &copy_from_and_resize);
    m.impl("_local_scalar_dense", &local_scalar);
}

// The one operation on a sparse matrix, which is another kind of tensor to the dispatcher.
at::Tensor sparse_mm(const at::Tensor& self, const at::Tensor& dense) {
    const auto* rows = at::sparse_csr::get_sparse_csr_impl(self);
    at::Tensor host = at::_sparse_csr_tensor_unsafe(plain(rows->compressed_indices()), plain(rows->plain_indices()),
                                                    plain(rows->values()), self.sizes());
    TORCH_CHECK(dense.device() == kDevice, "two devices: sparse mm");
    return on_device(at::mm(host, plain(dense)), {});
}

TORCH_LIBRARY_IMPL(aten, SparseCsrPrivateUse1, m) { m.impl("mm", &sparse_mm); }

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&any>()); }

struct Register {
    Register() {
        static Hooks hooks;
        at::RegisterPrivateUse1HooksInterface(&hooks);
    }
} registered;

}  // namespace

extern "C" {

// An operation, "aten::name", that is refused from now on.
void pretend_lack(const char* name) { lacking().insert(name); }

// Waits so far, "name count" a line; forgets them.
const char* pretend_take_waits() {
    static std::string text;
    text.clear();
    for (const auto& [name, number] : waits()) text += name + " " + std::to_string(number) + "\n";
    waits().clear();
    return text.c_str();
}
}
