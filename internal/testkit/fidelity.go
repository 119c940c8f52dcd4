package testkit

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Evidence is how sure a statement about the wire is.
type Evidence string

// Kinds of evidence, the surest first.
const (
	Genuine    Evidence = "genuine answer"   // a signed answer of Ksher's that isn't published, and is kept outside the project
	Published  Evidence = "published answer" // one that Ksher's documentation or SDKs show
	Documented Evidence = "documentation"    // Ksher's guides and API pages
	Clients    Evidence = "other clients"    // what clients send and read that have worked for years
	Assumed    Evidence = "assumed"          // nothing is known; it is chosen so that no money can be lost
)

// Statement is a statement about the wire that a test holds.
type Statement struct {
	What     string
	Evidence Evidence
	// Test is the test's name with its package.
	Test string
}

// Holds says which statement about the wire the test holds, for docs/fidelity.md, such as
// "order_refund: version may be sent". What stands before the colon is the table that it comes
// into. It is recorded if the test passes and the environment names a folder in KSHER_FIDELITY.
func Holds(t *testing.T, evidence Evidence, what string) {
	t.Helper()
	dir := os.Getenv("KSHER_FIDELITY")
	if dir == "" {
		return
	}
	at, err := os.Getwd()
	require.NoError(t, err)
	pkg, err := filepath.Rel(filepath.Dir(Path(t, "go.mod")), at)
	require.NoError(t, err)
	if pkg == "." {
		pkg = "ksher"
	}
	t.Cleanup(func() {
		if t.Failed() || t.Skipped() {
			return
		}
		text, err := json.Marshal(Statement{what, evidence, filepath.ToSlash(pkg) + " " + t.Name()})
		require.NoError(t, err)
		file, err := os.CreateTemp(dir, "statement-*.json")
		require.NoError(t, err)
		_, err = file.Write(text)
		require.NoError(t, err)
		require.NoError(t, file.Close())
	})
}
