package runner

// selfBinary is this very program, even where its file was replaced since.
func selfBinary() string { return "/proc/self/exe" }
