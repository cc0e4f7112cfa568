package runner

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestTheEnvironmentThatASlotPutsTogetherIsTheOneThatWasMeant: what is sent is
// less, and what comes out is the same.
func TestTheEnvironmentThatASlotPutsTogetherIsTheOneThatWasMeant(t *testing.T) {
	pairs := rapid.Map(rapid.MapOf(rapid.StringMatching(`[A-D]{1,2}`), rapid.StringMatching(`[xy=]{0,2}`)), func(m map[string]string) []string {
		return environment(m).list()
	})
	rapid.Check(t, func(t *rapid.T) {
		old, env := pairs.Draw(t, "old"), pairs.Draw(t, "env")
		changed, stay := changedEnv(old, env)
		for _, pair := range changed {
			if slices.Contains(old, pair) {
				t.Errorf("%q is sent again", pair)
			}
		}
		if whole := wholeEnv(old, changed, stay); !slices.Equal(whole, env) {
			t.Errorf("%q over %q became %q", env, old, whole)
		}
	})
}
