package signhelp

import (
	"cmp"
	"crypto"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNames is how many parameters are left out on trial.
const maxNames = 64

// common are the mistakes that are made in either generation.
func common(d draft, signName string) (all []mistake) {
	all = append(all, selections(d, signName)...)
	all = append(all, valueMistakes()...)
	all = append(all, orders()...)
	return append(all, wholes()...)
}

func selections(d draft, signName string) []mistake {
	all := []mistake{
		leftOut("You left out the empty parameters. They are signed, too.", func(p param) bool { return p.value == "" }),
		leftOut("You left out the parameters that are empty or 0. They are signed, too.", func(p param) bool {
			return p.value == "" || p.value == "0" || strings.EqualFold(p.value, "false")
		}),
		{stage: selection, what: "You signed the parameter " + signName + " as well, while it was empty. Leave it out of the text.", make: func(d *draft) {
			at := len(d.params)
			for i, p := range d.params {
				if p.name > signName {
					at = min(at, i)
				}
			}
			d.params = slices.Insert(slices.Clone(d.params), at, param{name: signName, at: len(d.params)})
		}},
	}
	for _, p := range d.params[:min(len(d.params), maxNames)] {
		what := fmt.Sprintf("You left %.64q out of the text. Every parameter but %s is signed.", p.name, signName)
		all = append(all, leftOut(what, func(other param) bool { return other.name == p.name }))
	}
	return all
}

func leftOut(what string, dropped func(param) bool) mistake {
	return mistake{stage: selection, what: what, make: func(d *draft) { d.drop(dropped) }}
}

// amongValues is a mistake that is made with the values of some parameters.
func amongValues(what string, change func(param) string) mistake {
	return mistake{stage: values, what: what, make: func(d *draft) { d.values(change) }}
}

// onValue is a mistake that is made with each value.
func onValue(what string, change func(string) string) mistake {
	return amongValues(what, func(p param) string { return change(p.value) })
}

// otherWord is what [onBool] and [onNothing] say.
const otherWord = "You wrote true, false or an empty value otherwise in the text than in the request. Sign what you send."

// onBool is a mistake with booleans, by the words that it puts in place of true and false.
func onBool(yes, no string) mistake {
	return onValue(otherWord, func(s string) string {
		switch strings.ToLower(s) {
		case "true":
			return yes
		case "false":
			return no
		}
		return s
	})
}

// onNothing is a mistake with empty values, by the word that it puts in their place.
func onNothing(word string) mistake {
	return onValue(otherWord, func(s string) string {
		switch strings.ToLower(s) {
		case "", "null", "none":
			return word
		}
		return s
	})
}

func valueMistakes() []mistake {
	const (
		encoded = "You signed the form-encoded values. Sign them as they were before encoding."
		charset = "You signed the text in another character set than UTF-8. Sign and send UTF-8."
		amounts = "You wrote an amount otherwise in the text than in the request, such as 150.00 for 150. Sign the very digits that you send."
		json    = "You signed the values as JSON writes them, with escapes such as \\/ or \\u0e01. Sign them as they are."
		lines   = "The line ends in a value changed between signing and sending. Give it line feeds alone, or none."
	)
	return []mistake{
		onValue("You signed a plus sign where the request has a space. If the value has a plus sign, form-encode what you send: + as %2B. If it has a space, sign it before encoding.",
			func(s string) string { return strings.ReplaceAll(s, " ", "+") }),
		onValue(encoded, url.QueryEscape),
		onValue(encoded, percentEncoded),
		onValue(encoded, uriComponent),
		onValue(encoded, func(s string) string { return lowerEscapes(url.QueryEscape(s)) }),
		onValue("A space came as a plus sign, because the value was encoded otherwise than a form is, or twice. Encode it once.",
			func(s string) string { return strings.ReplaceAll(s, "+", " ") }),
		onValue("The values are encoded twice in the request. Encode them once, after signing.", decoded),
		onValue("You signed the values with HTML's escapes, such as &amp;. Sign them as they are.", html.EscapeString),
		onValue("The values came with HTML's escapes, such as &amp;, which you didn't sign. Send what you sign.", html.UnescapeString),
		onValue(json, func(s string) string { return strings.ReplaceAll(s, "/", `\/`) }),
		onValue(json, func(s string) string { return escapedNonASCII(s) }),
		onValue(json, func(s string) string { return escapedNonASCII(strings.ReplaceAll(s, "/", `\/`)) }),
		onValue("You signed the values without the white space around them, but sent it. Send what you sign.", strings.TrimSpace),
		onValue(lines, func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }),
		onValue(lines, func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }),
		onValue(charset, thai),
		onValue(charset, latin1),
		onValue(charset, asciiOnly),
		onValue(charset, readAsLatin1),
		onValue("You signed the values in lower case. Sign them as you send them.", strings.ToLower),
		onValue("You signed the values in upper case. Sign them as you send them.", strings.ToUpper),
		amount(amounts, func(n string) string { return hundredths(n) }),
		amount(amounts, func(n string) string { return n + ".00" }),
		amount(amounts, func(n string) string { return n + ".0" }),
		amount(amounts, func(n string) string { return n + "00" }),
		amount(amounts, func(n string) string { return strings.TrimSuffix(strings.TrimSuffix(n, "0"), ".0") }),
		amount(amounts, func(n string) string { whole, _, _ := strings.Cut(n, "."); return whole }),
		amount(amounts, func(n string) string { return strings.Replace(n, ".", "", 1) }),
		onBool("true", "false"),
		onBool("True", "False"),
		onBool("TRUE", "FALSE"),
		onBool("1", "0"),
		onBool("1", ""),
		onNothing("null"),
		onNothing("None"),
		onNothing("NULL"),
		onNothing("undefined"),
		onNothing(""),
	}
}

// amount is a mistake with the parameters that are amounts.
func amount(what string, change func(string) string) mistake {
	return amongValues(what, func(p param) string {
		named := strings.Contains(p.name, "fee") || strings.Contains(p.name, "amount")
		if !named || p.value == "" || strings.Trim(p.value, "0123456789.") != "" {
			return p.value
		}
		return change(p.value)
	})
}

func hundredths(n string) string {
	if strings.Contains(n, ".") {
		return n
	}
	n = strings.Repeat("0", max(0, 3-len(n))) + n
	return n[:len(n)-2] + "." + n[len(n)-2:]
}

func orders() []mistake {
	byName := func(fold func(string) string) func(a, b param) int {
		return func(a, b param) int { return cmp.Compare(fold(a.name), fold(b.name)) }
	}
	same := func(s string) string { return s }
	const locale = "You sorted the parameters as a dictionary does, without regard to case or underscores. Sort them by their bytes (LC_ALL=C, an ordinal comparison)."
	var all []mistake
	for _, o := range []struct {
		what    string
		compare func(a, b param) int
	}{
		{"You sorted the parameters by their names alone. Sort them as the texts name=value, in which a digit comes before the equals sign.", byName(same)},
		{"You signed the parameters in the order in which you send them. Sort them first.", func(a, b param) int { return cmp.Compare(a.at, b.at) }},
		{"You sorted the parameters in descending order. Sort them in ascending order.", func(a, b param) int { return cmp.Compare(b.name, a.name) }},
		{locale, byName(strings.ToLower)},
		{locale, byName(func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) })},
		{"You sorted the parameters by their values. Sort them by their names.", func(a, b param) int { return cmp.Compare(a.value, b.value) }},
		{"You sorted the parameters by the length of their names. Sort them by their bytes.", func(a, b param) int { return cmp.Compare(len(a.name), len(b.name)) }},
	} {
		all = append(all, mistake{stage: order, what: o.what, make: func(d *draft) { d.order = o.compare }})
	}
	return all
}

// onText is a mistake that is made with the finished text.
func onText(what string, change func(string) string) mistake {
	return mistake{stage: whole, what: what, text: change}
}

func wholes() []mistake {
	const (
		twice   = "You signed the MD5 of the MD5. Sign the text itself, or its MD5 once."
		digits  = "You signed the MD5 written as hex digits. Sign the text itself."
		charset = "You signed the text in UTF-16. Sign and send UTF-8."
		other   = "You signed another hash of the text instead of the text. Sign the text itself."
	)
	return []mistake{
		onText("You signed the text with a line feed at its end. Leave it out: printf %s instead of echo.", func(s string) string { return s + "\n" }),
		onText("You signed the text with a carriage return and a line feed at its end. Leave them out.", func(s string) string { return s + "\r\n" }),
		onText("You signed the text with a space at its end. Leave it out.", func(s string) string { return s + " " }),
		onText("You signed the text with & at its end. Leave it out.", func(s string) string { return s + "&" }),
		onText("You signed the text with ? before it. Leave it out.", func(s string) string { return "?" + s }),
		onText("You signed the text with a NUL at its end. Sign as many bytes as the text has.", func(s string) string { return s + "\x00" }),
		onText("You signed the text with a byte order mark before it. Write UTF-8 without one.", func(s string) string { return "\ufeff" + s }),
		onText("You signed the text in quotes. Leave them out.", func(s string) string { return `"` + s + `"` }),
		onText("You signed the text in lower case. Sign it as it is.", strings.ToLower),
		onText("You signed the text in upper case. Sign it as it is.", strings.ToUpper),
		onText("You encoded the text before signing it. Sign it as it is.", url.QueryEscape),
		onText("You encoded the text before signing it. Sign it as it is.", percentEncoded),
		onText("You signed the text in Base64. Sign it as it is.", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }),
		onText(charset, utf16LE),
		onText(twice, func(s string) string { return hashed(crypto.MD5, s) }),
		onText(digits, func(s string) string { return hexMD5(s) }),
		onText(digits, func(s string) string { return strings.ToUpper(hexMD5(s)) }),
		onText("You signed the MD5 in Base64. Sign the text itself.", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(hashed(crypto.MD5, s))) }),
		onText(other, func(s string) string { return hashed(crypto.SHA1, s) }),
		onText(other, func(s string) string { return hex.EncodeToString([]byte(hashed(crypto.SHA1, s))) }),
		onText(other, func(s string) string { return hashed(crypto.SHA256, s) }),
		onText(other, func(s string) string { return hex.EncodeToString([]byte(hashed(crypto.SHA256, s))) }),
	}
}

// joined is a mistake in how the parameters become a text.
func joined(what string, join func([]param) string) mistake {
	return mistake{stage: joining, what: what, make: func(d *draft) { d.join = join }}
}

// list joins the parameters, with equal in each and between in between.
func list(equal, between string) func([]param) string {
	return func(params []param) string {
		var b strings.Builder
		for i, p := range params {
			if i > 0 {
				b.WriteString(between)
			}
			b.WriteString(p.name)
			b.WriteString(equal)
			b.WriteString(p.value)
		}
		return b.String()
	}
}

// onlyValues joins the values.
func onlyValues(params []param) string {
	var b strings.Builder
	for _, p := range params {
		b.WriteString(p.value)
	}
	return b.String()
}

// jsonObject makes an object of the parameters, with the white space of a dialect and
// numbers as numbers or texts.
func jsonObject(comma, colon string, numbers bool) func([]param) string {
	quote := func(s string) string {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if e.Encode(s) != nil {
			return s
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	return func(params []param) string {
		var fields []string
		for _, p := range params {
			value := quote(p.value)
			if numbers && len(p.value) < 16 && json.Valid([]byte(p.value)) {
				value = p.value
			}
			fields = append(fields, quote(p.name)+colon+value)
		}
		return "{" + strings.Join(fields, comma) + "}"
	}
}

// jsonMistakes are those of whoever signs a JSON text.
func jsonMistakes() []mistake {
	const what = "You signed JSON. Sign the parameters, each after its name."
	asSent := func(join func([]param) string) func([]param) string {
		return func(params []param) string {
			params = slices.Clone(params)
			slices.SortFunc(params, func(a, b param) int { return cmp.Compare(a.at, b.at) })
			return join(params)
		}
	}
	var all []mistake
	for _, join := range []func([]param) string{
		jsonObject(",", ":", false), jsonObject(", ", ": ", false), jsonObject(",", ":", true), jsonObject(", ", ": ", true),
	} {
		all = append(all, joined(what, asSent(join)), joined(what, join))
	}
	return all
}

func hashed(h crypto.Hash, text string) string {
	hash := h.New()
	hash.Write([]byte(text))
	return string(hash.Sum(nil))
}

func hexMD5(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func percentEncoded(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// uriComponent is encodeURIComponent.
func uriComponent(s string) string {
	return strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(percentEncoded(s))
}

func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

func decoded(s string) string {
	if once, err := url.QueryUnescape(s); err == nil {
		return once
	}
	return s
}

func escapedNonASCII(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// perRune puts one byte in place of each character beyond ASCII.
func perRune(s string, f func(rune) string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			b.WriteString(f(r))
		}
	}
	return b.String()
}

// thai is TIS-620, whose letters stand in Unicode in the same order.
func thai(s string) string {
	return perRune(s, func(r rune) string {
		if r > 0xe00 && r <= 0xe5b {
			return string([]byte{byte(r - 0xe00 + 0xa0)})
		}
		return "?"
	})
}

func latin1(s string) string {
	return perRune(s, func(r rune) string {
		if r <= 0xff {
			return string([]byte{byte(r)})
		}
		return "?"
	})
}

func asciiOnly(s string) string {
	return perRune(s, func(r rune) string { return strings.Repeat("?", utf16.RuneLen(r)) })
}

// readAsLatin1 is UTF-8 that was taken for Latin-1 and written as UTF-8 again.
func readAsLatin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

func utf16LE(s string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return string(b)
}
