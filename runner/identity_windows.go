package runner

func bootID() string { return "" }

func pidNamespace() string { return "" }

func lookUp(int) (procInfo, error) { return procInfo{}, ErrUnsupported }
