package runner

import (
	"errors"
	"strings"
	"testing"
)

func TestWindowsIsRefusedPlainly(t *testing.T) {
	if err := supportedOn("windows"); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "not supported on Windows") {
		t.Errorf("on Windows: %v", err)
	}
	for _, system := range []string{"linux", "darwin"} {
		if err := supportedOn(system); err != nil {
			t.Errorf("on %s: %v", system, err)
		}
	}
}
