package probe

// The compiled object is committed: building porttrace needs Go only. `make generate`
// rebuilds it with the one pinned clang, `make check-generate` proves that it matches.
// One little-endian object serves amd64 and arm64: no hook reads registers.

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -type event -type switches -type cgroup_path bpf ../../bpf/porttrace.bpf.c -- -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter
