package checkout

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

func TestEveryPhraseIsInEveryLanguage(t *testing.T) {
	thai := regexp.MustCompile(`\p{Thai}`)
	chinese := regexp.MustCompile(`\p{Han}`)
	// What is called the same everywhere.
	same := regexp.MustCompile(`^(label_pin|channel_.*)$`)
	for key, p := range phrases {
		for name, text := range map[string]string{"en": p.en, "th": p.th, "cn": p.cn} {
			assert.NotEmpty(t, text, "%s in %s", key, name)
			assert.Equal(t, verb.FindAllString(p.en, -1), verb.FindAllString(text, -1), "%s in %s", key, name)
		}
		if !same.MatchString(key) {
			assert.Regexp(t, thai, p.th, key)
			assert.Regexp(t, chinese, p.cn, key)
		}
	}
}

func TestEveryPhraseThatIsNeededExists(t *testing.T) {
	var needed []string
	inTemplate := regexp.MustCompile(`\.T "(\w+)"`)
	files, err := fs.Glob(web, "web/*.html")
	require.NoError(t, err)
	for _, file := range files {
		text, err := web.ReadFile(file)
		require.NoError(t, err)
		for _, m := range inTemplate.FindAllStringSubmatch(string(text), -1) {
			needed = append(needed, m[1])
		}
	}
	for _, c := range ksher.Channels() {
		needed = append(needed, "channel_"+string(c.Channel))
		k := kindOf(c.Channel)
		for _, w := range slices.Concat(k.pc, k.h5) {
			needed = append(needed, phrasesOf(t, w)...)
		}
	}
	for _, state := range []core.State{core.Paid, core.RefundedInPart, core.Refunded, core.Failed, core.Expired, core.Cancelled} {
		name := "closed_" + strings.ReplaceAll(string(state), " ", "_")
		needed = append(needed, "title_"+name, "lead_"+name)
	}
	for _, c := range testCards {
		needed = append(needed, c.Does)
	}
	needed = append(needed, "tab_card_h5")
	for _, tab := range tabs {
		needed = append(needed, "tab_"+tab)
	}
	for _, key := range needed {
		assert.Contains(t, phrases, key)
	}
}

// phrasesOf are the phrases that a way needs.
func phrasesOf(t *testing.T, w way) []string {
	needed := []string{"way_" + w.name}
	for _, s := range w.steps {
		needed = append(needed, s.phrase("title_"), s.phrase("lead_"))
		if s.submit != "" {
			needed = append(needed, s.submit)
		}
		if s.extra != "" {
			assert.NotNil(t, templates.Lookup("extra_"+s.extra), s.extra)
		}
		for _, f := range s.fields {
			needed = append(needed, "label_"+f.name)
			if f.wrong != "" {
				needed = append(needed, f.wrong)
			}
		}
	}
	return needed
}

func TestTestCards(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range testCards {
		sum := 0
		digits := strings.ReplaceAll(c.Number, " ", "")
		for i := range digits {
			d := int(digits[len(digits)-1-i] - '0')
			if i%2 == 1 {
				if d *= 2; d > 9 {
					d -= 9
				}
			}
			sum += d
		}
		assert.Zero(t, sum%10, c.Number)
		assert.False(t, seen[c.Brand+c.last4()], "a saved card has to be told apart: %s", c.Number)
		seen[c.Brand+c.last4()] = true
	}
}

func TestColors(t *testing.T) {
	for text, want := range map[string]string{
		"#Fa0": "#ffaa00", "#12ab9F": "#12ab9f", " Red ": "#ff0000",
		"": "", "#12": "", "#12345g": "", "red;}": "", "url(x)": "", "expression(1)": "",
	} {
		assert.Equal(t, want, color(text), text)
	}
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				rgb := "#" + hex2(r) + hex2(g) + hex2(b)
				light, dark := luminance(rgb), luminance(inkOn(rgb))
				if light < dark {
					light, dark = dark, light
				}
				require.GreaterOrEqual(t, (light+0.05)/(dark+0.05), 4.5, rgb)
			}
		}
	}
	assert.Equal(t, "--banner:#ff0000;--on-banner:#000000;", string(look("red", "}body{display:none")))
}

func hex2(n int) string { return string([]byte{"0123456789abcdef"[n/16], "0123456789abcdef"[n%16]}) }

func TestUnknownChannelsHaveJourneys(t *testing.T) {
	for name, first := range map[ksher.Channel]*step{
		"ktbcard": savedStep, "promptpay2": qrStep, "bbl_promptpay": qrStep, "scb_instal": instalStep, "bbl_ibs": loginStep,
	} {
		assert.Same(t, first, kindOf(name).pc[0].steps[0], name)
	}
}
