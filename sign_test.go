package ksher_test

import (
	"context"
	"crypto"
	"crypto/fips140"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

var keySizes = []int{512, 1024, 2048, 4096}

func TestSignaturesEqualOpenSSLs(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "signature: a request is signed with the merchant's RSA key over MD5, in PKCS #1 v1.5")
	text := testkit.ReadFile(t, "openssl/text.txt")
	digest := md5.Sum([]byte(text))
	for _, bits := range keySizes {
		want := strings.TrimSpace(testkit.ReadFile(t, fmt.Sprintf("openssl/rsa%d.sign", bits)))
		pkcs1Text := testkit.ReadFile(t, fmt.Sprintf("keys/rsa%d.pkcs1.pem", bits))
		pkcs8Text := testkit.ReadFile(t, fmt.Sprintf("keys/rsa%d.pkcs8.pem", bits))
		for _, form := range []struct{ name, text string }{
			{"PKCS #1", pkcs1Text},
			{"PKCS #8", pkcs8Text},
			{"line ends written out", strings.ReplaceAll(pkcs1Text, "\n", `\n`)},
			{"PKCS #8 with line ends written out", strings.ReplaceAll(pkcs8Text, "\n", `\n`)},
			{"Windows line ends written out", strings.ReplaceAll(pkcs1Text, "\n", `\r\n`)},
			{"Windows line ends", strings.ReplaceAll(pkcs8Text, "\n", "\r\n")},
			{"without the last line end", strings.TrimSpace(pkcs1Text)},
			{"blanks around", " \n\t" + pkcs1Text + "\r\n \n"},
			{"in double quotes", `"` + strings.ReplaceAll(pkcs1Text, "\n", `\n`) + `"`},
			{"in single quotes and blanks", " '" + pkcs8Text + "'\n"},
			{"text before and after", "Bag Attributes\n" + pkcs1Text + "\nend\n"},
		} {
			t.Run(fmt.Sprintf("%d bits, %s", bits, form.name), func(t *testing.T) {
				key, err := ksher.ParsePrivateKey([]byte(form.text))
				require.NoError(t, err)
				sig, err := key.Sign(rand.Reader, digest[:], crypto.MD5)
				require.NoError(t, err)
				assert.Equal(t, want, hex.EncodeToString(sig))
				_, standard := key.(*rsa.PrivateKey)
				assert.Equal(t, bits >= 1024, standard, "%T", key)
			})
		}
	}
}

func TestOpenSSLVerifies(t *testing.T) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skipf("openssl is not installed: %v", err)
	}
	const text = "testdata/openssl/text.txt"
	digest := md5.Sum([]byte(testkit.ReadFile(t, "openssl/text.txt")))
	verify := func(t *testing.T, bits int, sig []byte) string {
		file := filepath.Join(t.TempDir(), "sig")
		require.NoError(t, os.WriteFile(file, sig, 0o600))
		out, _ := exec.CommandContext(t.Context(), program, "dgst", "-md5",
			"-verify", fmt.Sprintf("testdata/keys/rsa%d.pkix.pem", bits), "-signature", file, text).CombinedOutput()
		return string(out)
	}
	for _, bits := range keySizes {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			key, err := ksher.ParsePrivateKey([]byte(testkit.ReadFile(t, fmt.Sprintf("keys/rsa%d.pkcs8.pem", bits))))
			require.NoError(t, err)
			sig, err := key.Sign(rand.Reader, digest[:], crypto.MD5)
			require.NoError(t, err)
			assert.Contains(t, verify(t, bits, sig), "Verified OK")
			sig[len(sig)-1] ^= 1
			assert.NotContains(t, verify(t, bits, sig), "Verified OK")
		})
	}
}

// The signature that arrives is compared with the documentation's recipe,
// applied to what arrives.
func TestRequestSignature(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "signature: the text of a request has each parameter but sign as name=value, sorted, with nothing between")
	testkit.Holds(t, testkit.Documented, "signature: a value is signed as it was before it was encoded for the form, in UTF-8")
	testkit.Holds(t, testkit.Documented, "signature: a request's signature is in lower-case hex digits")
	testkit.Holds(t, testkit.Documented, "signature: the pairs are sorted as a whole and not by name alone, so that a1=2 comes before a=1")
	const answer = `{"pay_content":"https://gateway.ksher.com/ua?order_uuid=1&lang=en"}`
	for _, bits := range []int{512, 1024, 2048} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			var form url.Values
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.NoError(t, r.ParseForm())
				form = r.PostForm
				fmt.Fprint(w, testkit.SignedAnswer(t, answer))
			}))
			defer server.Close()
			key, err := ksher.ParsePrivateKey([]byte(testkit.ReadFile(t, fmt.Sprintf("keys/rsa%d.pkcs1.pem", bits))))
			require.NoError(t, err)
			client, err := ksher.NewClient(testkit.AppID, key,
				ksher.WithGatewayURL(server.URL),
				ksher.WithVerifier(testkit.NewVerifier(&testkit.RSAKey(t, 1024).PublicKey)))
			require.NoError(t, err)
			_, err = client.GatewayPay(t.Context(), &ksher.GatewayPayRequest{
				MchOrderNo: "2026-0001", MchCode: "2026-0001", TotalFee: 15050, FeeType: "THB",
				ChannelList:        []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelCard},
				ProductName:        "ชาไทย 测试 🍵",
				ReferURL:           "https://shop.example/a?b=c&d=%20+e",
				MchRedirectURL:     "https://shop.example/ok",
				MchRedirectURLFail: "https://shop.example/no",
				Attach:             `+&=% "<>\` + "\r\n\t",
				Extra: ksher.Extra{Params: map[string]string{
					// These sort differently by name alone than by name=value.
					"a": "1", "a1": "2", "a-": "3", "aB": "4",
					"empty": "", "thai": "ขอบคุณ", "odd": "a=b&c=d+e%41;f", "Upper": "x", "_": "y",
				}},
			})
			require.NoError(t, err)

			var pairs []string
			for name, values := range form {
				require.Len(t, values, 1)
				if name != "sign" {
					pairs = append(pairs, name+"="+values[0])
				}
			}
			slices.Sort(pairs)
			text := strings.Join(pairs, "")
			for _, pair := range []string{
				"appid=" + testkit.AppID, "channel_list=promptpay,card", "total_fee=15050", "product_name=ชาไทย 测试 🍵",
				"empty=", "thai=ขอบคุณ", "odd=a=b&c=d+e%41;f", `attach=+&=% "<>\` + "\r\n\t",
			} {
				assert.Contains(t, pairs, pair)
			}
			sign := form.Get("sign")
			assert.Equal(t, strings.ToLower(sign), sign)
			testkit.CheckTextSign(t, &testkit.RSAKey(t, bits).PublicKey, text, sign)
		})
	}
}

// smallData is data with the text that its signature covers.
const (
	smallData = `{"b":"2","a":"1"}`
	smallText = "a=1b=2"
)

// A verifier that takes an encoding apart, instead of comparing the whole of
// it, has been forged more than once.
func TestMalformedEncodings(t *testing.T) {
	info := testkit.MD5InfoOf(smallText)
	digest := info[len(testkit.MD5Info):]
	sum1, sum256 := sha1.Sum([]byte(smallText)), sha256.Sum256([]byte(smallText))
	both := digest + string(sum1[:])
	with := func(em []byte, at int, b byte) []byte {
		em[at] = b
		return em
	}
	for _, bits := range []int{512, 1024} {
		key := testkit.RSAKey(t, bits)
		size := key.Size()
		good := func() []byte { return testkit.PKCS1(size, info) }
		separator := size - len(info) - 1
		// moved has the digest moved to the front and something behind it.
		moved := func(padding int, info, behind string) []byte {
			em := "\x00\x01" + strings.Repeat("\xff", padding) + "\x00" + info
			return []byte(em + strings.Repeat(behind, size-len(em))[:size-len(em)])
		}
		for _, c := range []struct {
			name string
			em   []byte
		}{
			{"first byte is 1", with(good(), 0, 1)},
			{"padding type 0", with(good(), 1, 0)},
			{"padding type 2", with(good(), 1, 2)},
			{"padding type 2 with random padding", []byte("\x00\x02" + strings.Repeat("\x5a", size-3-len(info)) + "\x00" + info)},
			{"padding of zeros", []byte("\x00\x01" + strings.Repeat("\x00", size-2-len(info)) + info)},
			{"padding of 8 and bytes behind the digest", moved(8, info, "\xaa")},
			{"padding of 8 and zeros behind the digest", moved(8, info, "\x00")},
			{"padding of 7 and bytes behind the digest", moved(7, info, "\xaa")},
			{"no padding and bytes behind the digest", moved(0, info, "\xff")},
			{"one byte behind the digest", moved(size-4-len(info), info, "\xff")},
			{"padding only", []byte("\x00\x01" + strings.Repeat("\xff", size-3) + "\x00")},
			{"first padding byte isn't FF", with(good(), 2, 0xfe)},
			{"last padding byte isn't FF", with(good(), separator-1, 0x7f)},
			{"zero within the padding", with(good(), 10, 0)},
			{"no separator", with(good(), separator, 0xff)},
			{"separator is 1", with(good(), separator, 1)},
			{"two separators", with(good(), separator-1, 0)},
			{"digest alone", testkit.PKCS1(size, digest)},
			{"digest in an octet string alone", testkit.PKCS1(size, "\x04\x10"+digest)},
			{"MD5 and SHA-1, as in old TLS", testkit.PKCS1(size, both)},
			{"SHA-1", testkit.PKCS1(size, testkit.Sha1Info+string(sum1[:]))},
			{"SHA-256 cut to fit", testkit.PKCS1(size, testkit.Sha256Info[:len(testkit.Sha256Info)-1]+"\x10"+string(sum256[:16]))},
			{"MD5 digest said to be SHA-1", testkit.PKCS1(size, "\x30\x1d\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x10"+digest)},
			{"MD4", testkit.PKCS1(size, strings.Replace(info, "\x0d\x02\x05", "\x0d\x02\x04", 1))},
			{"without the NULL parameter", testkit.PKCS1(size, "\x30\x1e\x30\x0a\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x04\x10"+digest)},
			{"NULL with two bytes in it", testkit.PKCS1(size, "\x30\x22\x30\x0e\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x02\xaa\xaa\x04\x10"+digest)},
			{"empty octet string for NULL", testkit.PKCS1(size, strings.Replace(info, "\x05\x05\x00", "\x05\x04\x00", 1))},
			{"long form of a length", testkit.PKCS1(size, "\x30\x81\x20"+info[2:])},
			{"wrong outer length", testkit.PKCS1(size, "\x30\x21"+info[2:])},
			{"wrong digest length", testkit.PKCS1(size, testkit.MD5Info[:len(testkit.MD5Info)-1]+"\x0f"+digest)},
			{"digest of one more byte", testkit.PKCS1(size, "\x30\x21"+testkit.MD5Info[2:len(testkit.MD5Info)-1]+"\x11"+digest+"\x00")},
			{"digest of another text", testkit.PKCS1(size, testkit.MD5InfoOf("a=1b=3"))},
			{"digest with the last bit changed", with(good(), size-1, good()[size-1]^1)},
		} {
			t.Run(fmt.Sprintf("%d bits, %s", bits, c.name), func(t *testing.T) {
				require.Len(t, c.em, size)
				sign := hex.EncodeToString(testkit.Exponentiate(key, c.em))
				err := testkit.NewVerifier(&key.PublicKey).Verify([]byte(smallData), sign)
				assert.ErrorIs(t, err, fault.ErrSignatureMismatch)
				assert.ErrorIs(t, err, ksher.ErrSignature)
			})
		}
		t.Run(fmt.Sprintf("%d bits, as it should be", bits), func(t *testing.T) {
			sign := hex.EncodeToString(testkit.Exponentiate(key, good()))
			assert.NoError(t, testkit.NewVerifier(&key.PublicKey).Verify([]byte(smallData), sign))
		})
	}

	// This one only fits into the longer key.
	key := testkit.RSAKey(t, 1024)
	sign := hex.EncodeToString(testkit.Exponentiate(key, testkit.PKCS1(key.Size(), testkit.Sha256Info+string(sum256[:]))))
	assert.ErrorIs(t, testkit.NewVerifier(&key.PublicKey).Verify([]byte(smallData), sign), fault.ErrSignatureMismatch)
}

// findSignature returns data of which the signature by the key is as wanted.
func findSignature(tb testing.TB, key *rsa.PrivateKey, wanted func(sig []byte) bool) (data string, sig []byte) {
	tb.Helper()
	for i := range 100_000 {
		sig := testkit.Exponentiate(key, testkit.PKCS1(key.Size(), testkit.MD5InfoOf(fmt.Sprintf("n=%d", i))))
		if wanted(sig) {
			data := fmt.Sprintf(`{"n":%d}`, i)
			require.NoError(tb, testkit.NewVerifier(&key.PublicKey).Verify([]byte(data), hex.EncodeToString(sig)))
			return data, sig
		}
	}
	require.Fail(tb, "no such signature")
	return "", nil
}

func TestSignatureAsANumber(t *testing.T) {
	for _, bits := range []int{512, 1024} {
		key := testkit.RSAKey(t, bits)
		n, size := key.N, key.Size()
		verifier := testkit.NewVerifier(&key.PublicKey)

		zeroData, zeroSig := findSignature(t, key, func(sig []byte) bool { return sig[0] == 0 })
		room := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(bits)), n)
		lowData, lowSig := findSignature(t, key, func(sig []byte) bool { return new(big.Int).SetBytes(sig).Cmp(room) < 0 })
		plusN := new(big.Int).Add(new(big.Int).SetBytes(lowSig), n)
		fill := func(i *big.Int) []byte { return i.FillBytes(make([]byte, size)) }

		for _, c := range []struct {
			name, data string
			sig        []byte
			want       error
		}{
			{"leading zero cut off", zeroData, zeroSig[1:], fault.ErrSignatureMalformed},
			{"leading zero added", zeroData, append([]byte{0}, zeroSig...), fault.ErrSignatureMalformed},
			{"leading zero added to one without", lowData, append([]byte{0}, lowSig...), fault.ErrSignatureMalformed},
			{"zero added behind", lowData, append(slices.Clone(lowSig), 0), fault.ErrSignatureMalformed},
			{"n added", lowData, fill(plusN), fault.ErrSignatureMismatch},
			{"negative", lowData, fill(new(big.Int).Sub(n, new(big.Int).SetBytes(lowSig))), fault.ErrSignatureMismatch},
			{"n", lowData, fill(n), fault.ErrSignatureMismatch},
			{"n+1", lowData, fill(new(big.Int).Add(n, big.NewInt(1))), fault.ErrSignatureMismatch},
			{"n-1", lowData, fill(new(big.Int).Sub(n, big.NewInt(1))), fault.ErrSignatureMismatch},
			{"0", lowData, make([]byte, size), fault.ErrSignatureMismatch},
			{"1", lowData, fill(big.NewInt(1)), fault.ErrSignatureMismatch},
			{"the largest", lowData, slices.Repeat([]byte{0xff}, size), fault.ErrSignatureMismatch},
			{"the digest unsigned", lowData, testkit.PKCS1(size, testkit.MD5InfoOf(strings.Trim(strings.ReplaceAll(lowData, `"n":`, "n="), "{}"))), fault.ErrSignatureMismatch},
		} {
			t.Run(fmt.Sprintf("%d bits, %s", bits, c.name), func(t *testing.T) {
				err := verifier.Verify([]byte(c.data), hex.EncodeToString(c.sig))
				assert.ErrorIs(t, err, c.want)
				assert.ErrorIs(t, err, ksher.ErrSignature)
			})
		}
	}
}

func TestUnusableVerifiers(t *testing.T) {
	short, long := &testkit.RSAKey(t, 512).PublicKey, &testkit.RSAKey(t, 1024).PublicKey
	even := func(n *big.Int) *big.Int { return new(big.Int).Sub(n, big.NewInt(1)) }
	huge := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 9000), big.NewInt(1))
	for _, c := range []struct {
		name string
		keys []*rsa.PublicKey
		says string
	}{
		{"no key", nil, "no key"},
		{"nil", []*rsa.PublicKey{nil}, "nil"},
		{"nil beside a good one", []*rsa.PublicKey{long, nil}, "nil"},
		{"nil before a good one", []*rsa.PublicKey{nil, long}, "nil"},
		{"zero value", []*rsa.PublicKey{{}}, "nil"},
		{"modulus 0", []*rsa.PublicKey{{N: new(big.Int), E: 65537}}, "too short"},
		{"tiny modulus", []*rsa.PublicKey{{N: big.NewInt(3233), E: 17}}, "too short"},
		{"modulus of 359 bits", []*rsa.PublicKey{{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 358), big.NewInt(1)), E: 3}}, "359 bits is too short"},
		{"modulus of 9001 bits", []*rsa.PublicKey{{N: huge, E: 65537}}, "9001 bits is longer"},
		{"even modulus", []*rsa.PublicKey{{N: even(short.N), E: 65537}}, "modulus"},
		{"even long modulus", []*rsa.PublicKey{{N: even(long.N), E: 65537}}, "modulus"},
		{"negative modulus", []*rsa.PublicKey{{N: new(big.Int).Neg(short.N), E: 65537}}, "modulus"},
		{"negative long modulus", []*rsa.PublicKey{{N: new(big.Int).Neg(long.N), E: 65537}}, "modulus"},
		{"exponent 0", []*rsa.PublicKey{{N: short.N}}, "exponent"},
		{"exponent 0 of a long key", []*rsa.PublicKey{{N: long.N}}, "exponent"},
		{"exponent 1", []*rsa.PublicKey{{N: short.N, E: 1}}, "exponent"},
		{"exponent 1 of a long key", []*rsa.PublicKey{{N: long.N, E: 1}}, "exponent"},
		{"exponent 2", []*rsa.PublicKey{{N: short.N, E: 2}}, "exponent"},
		{"even exponent", []*rsa.PublicKey{{N: short.N, E: 65536}}, "exponent"},
		{"even exponent of a long key", []*rsa.PublicKey{{N: long.N, E: 65536}}, "exponent"},
		{"negative exponent", []*rsa.PublicKey{{N: short.N, E: -65537}}, "exponent"},
		{"negative exponent of a long key", []*rsa.PublicKey{{N: long.N, E: -65537}}, "exponent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			verifier, err := ksher.NewVerifier(c.keys...)
			require.ErrorContains(t, err, c.says)
			require.Nil(t, verifier)
		})
	}
}

func TestNilVerifier(t *testing.T) {
	var verifier *ksher.Verifier
	assert.ErrorIs(t, verifier.Verify([]byte(smallData), testkit.TextSign(testkit.RSAKey(t, 1024), smallText)), ksher.ErrSignature)
	assert.ErrorIs(t, (&ksher.Verifier{}).Verify([]byte(smallData), testkit.TextSign(testkit.RSAKey(t, 1024), smallText)), ksher.ErrSignature)
	_, err := ksher.ParseNotification([]byte(testkit.SignedAnswer(t, smallData)), nil)
	assert.ErrorIs(t, err, ksher.ErrSignature)
	_, err = ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), ksher.WithVerifier(nil))
	assert.ErrorContains(t, err, "WithVerifier: the verifier is nil")
}

func TestFormOfSignature(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "signature: an answer's may be in hex digits of either case")
	for _, bits := range keySizes {
		sign := testkit.TextSign(testkit.RSAKey(t, bits), smallText)
		for _, c := range []struct {
			name, sign string
			want       error
		}{
			{"as it is", sign, nil},
			{"capitals", strings.ToUpper(sign), nil},
			{"missing", "", fault.ErrSignatureMissing},
			{"one digit", "0", fault.ErrSignatureMalformed},
			{"a digit cut off", sign[:len(sign)-1], fault.ErrSignatureMalformed},
			{"a byte cut off", sign[:len(sign)-2], fault.ErrSignatureMalformed},
			{"half", sign[:len(sign)/2], fault.ErrSignatureMalformed},
			{"a digit more", sign + "0", fault.ErrSignatureMalformed},
			{"a byte more", sign + "00", fault.ErrSignatureMalformed},
			{"twice", sign + sign, fault.ErrSignatureMalformed},
			{"very long", strings.Repeat(sign, 1000), fault.ErrSignatureMalformed},
			{"not hexadecimal", "g" + sign[1:], fault.ErrSignatureMalformed},
			{"0x before", "0x" + sign[2:], fault.ErrSignatureMalformed},
			{"blank before", " " + sign, fault.ErrSignatureMalformed},
			{"line end behind", sign + "\n", fault.ErrSignatureMalformed},
			{"blank inside", sign[:10] + " " + sign[11:], fault.ErrSignatureMalformed},
			{"wide digit", "０" + sign[3:], fault.ErrSignatureMalformed},
			{"another key's", testkit.TextSign(testkit.RSAKey(t, map[int]int{512: 1024, 1024: 512, 2048: 512, 4096: 512}[bits]), smallText), fault.ErrSignatureMalformed},
			{"of another text", testkit.TextSign(testkit.RSAKey(t, bits), smallText+"c="), fault.ErrSignatureMismatch},
		} {
			t.Run(fmt.Sprintf("%d bits, %s", bits, c.name), func(t *testing.T) {
				err := testkit.NewVerifier(&testkit.RSAKey(t, bits).PublicKey).Verify([]byte(smallData), c.sign)
				if c.want == nil {
					assert.NoError(t, err)
					return
				}
				assert.ErrorIs(t, err, c.want)
				assert.ErrorIs(t, err, ksher.ErrSignature)
				for _, other := range []error{fault.ErrSignatureMissing, fault.ErrSignatureMalformed, fault.ErrSignatureMismatch} {
					if other != c.want {
						assert.NotErrorIs(t, err, other)
					}
				}
				if len(c.sign) > 16 {
					assert.NotContains(t, err.Error(), c.sign[:16])
				}
			})
		}
	}
}

func TestVerifierWithSeveralKeys(t *testing.T) {
	testkit.Holds(t, testkit.Published, "signature: the published answers are signed with the V1 key that Ksher publishes")
	verifier := testkit.NewVerifier(&testkit.RSAKey(t, 512).PublicKey, &testkit.RSAKey(t, 1024).PublicKey, &testkit.RSAKey(t, 2048).PublicKey, ksher.GatewayPublicKey(ksher.SignV1))
	for _, bits := range []int{512, 1024, 2048} {
		sign := testkit.TextSign(testkit.RSAKey(t, bits), smallText)
		assert.NoError(t, verifier.Verify([]byte(smallData), sign))
		assert.ErrorIs(t, verifier.Verify([]byte(`{"a":"1","b":"3"}`), sign), fault.ErrSignatureMismatch)
	}
	assert.ErrorIs(t, verifier.Verify([]byte(smallData), testkit.TextSign(testkit.RSAKey(t, 4096), smallText)), fault.ErrSignatureMalformed)
	for _, v := range testkit.ReadVectors(t, "testdata/published-v1.json") {
		assert.NoError(t, verifier.Verify(v.Data, v.Sign))
	}
	// Another key of the same length doesn't hide the one that fits.
	for _, keys := range [][]*rsa.PublicKey{
		{&testkit.RSAKey(t, 512).PublicKey, ksher.GatewayPublicKey(ksher.SignV1)},
		{ksher.GatewayPublicKey(ksher.SignV1), &testkit.RSAKey(t, 512).PublicKey},
	} {
		assert.NoError(t, testkit.NewVerifier(keys...).Verify([]byte(smallData), testkit.TextSign(testkit.RSAKey(t, 512), smallText)))
	}
	assert.ErrorIs(t, testkit.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1)).Verify([]byte(smallData), testkit.TextSign(testkit.RSAKey(t, 512), smallText)), fault.ErrSignatureMismatch)
}

func TestSignedTextOfData(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "signature: true, false and null are signed as JSON or as Python writes them, and not in a mixture of both")
	testkit.Holds(t, testkit.Assumed, "signature: within an array or an object true, false and null are signed as JSON writes them")
	testkit.Holds(t, testkit.Documented, "signature: a number is signed as it is written, and never computed")
	key := testkit.RSAKey(t, 512)
	verifier := testkit.NewVerifier(&key.PublicKey)
	for _, c := range []struct {
		name, data, text string
		want             error
	}{
		{"no members", `{}`, "", nil},
		{"empty value", `{"a":"","b":"x"}`, "a=b=x", nil},
		{"digits and a hyphen sort before the equals sign", `{"a":1,"a1":2,"a-":3,"aB":4}`, "a-=3a1=2a=1aB=4", nil},
		{"text with escapes", `{"a":"\u6d4b\u8BD5\n\/\"\ud83c\udf75"}`, "a=测试\n/\"🍵", nil},
		{"integer", `{"a":100,"b":-57}`, "a=100b=-57", nil},
		{"numbers are taken as they are written", `{"a":1e400,"b":-0,"c":0.50,"d":1E+2,"e":12345678901234567890}`, "a=1e400b=-0c=0.50d=1E+2e=12345678901234567890", nil},
		{"numbers are not reckoned", `{"a":1.0}`, "a=1", fault.ErrSignatureMismatch},
		{"number or text is the same", `{"a":"100"}`, "a=100", nil},
		{"JSON spelling", `{"a":true,"b":false,"c":null}`, "a=trueb=falsec=null", nil},
		{"Python spelling", `{"a":true,"b":false,"c":null}`, "a=Trueb=Falsec=None", nil},
		{"Python spelling of null alone", `{"c":null}`, "c=None", nil},
		{"mixture", `{"a":true,"b":false}`, "a=Trueb=false", fault.ErrSignatureMismatch},
		{"mixture of true and null", `{"a":true,"c":null}`, "a=truec=None", fault.ErrSignatureMismatch},
		{"another spelling", `{"a":true}`, "a=TRUE", fault.ErrSignatureMismatch},
		{"null isn't empty", `{"a":null}`, "a=", fault.ErrSignatureMismatch},
		{"false isn't true", `{"a":false}`, "a=true", fault.ErrSignatureMismatch},
		{"text True is no boolean", `{"a":"true"}`, "a=True", fault.ErrSignatureMismatch},
		{"inside it is always JSON's", `{"a":[true,null,false],"b":{"c":true}}`, `a=[true,null,false]b={"c":true}`, nil},
		{"inside it is never Python's", `{"a":[true,null]}`, `a=[True,None]`, fault.ErrSignatureMismatch},
		{"nested", `{"a":[{"z" : 1, "b":"<&>\u2028\u6d4b\""}, [ ], {} ]}`, "a=[{\"b\":\"<&>\u2028测\\\"\",\"z\":1},[],{}]", nil},
		{"sign isn't signed", `{"a":"1","sign":"anything"}`, "a=1", nil},
		{"sign isn't signed whatever it is", `{"sign":{"a":2},"a":"1"}`, "a=1", nil},
		{"sign as if it were signed", `{"a":"1","sign":"x"}`, "a=1sign=x", fault.ErrSignatureMismatch},
		{"Sign is another name", `{"a":"1","Sign":"x"}`, "Sign=xa=1", nil},
		{"same name twice", `{"a":"1","a":"2"}`, "a=1a=2", fault.ErrNotJSON},
		{"same name and value twice", `{"a":"1","a":"1"}`, "a=1a=1", fault.ErrNotJSON},
		{"same name in other case", `{"a":"1","A":"2"}`, "A=2a=1", fault.ErrNotJSON},
		{"same name by an escape", `{"a":"1","\u0061":"2"}`, "a=1a=2", fault.ErrNotJSON},
		{"same name by an escape in other case", `{"a":"1","\u0041":"2"}`, "A=2a=1", fault.ErrNotJSON},
		{"same name in what json.Unmarshal takes for the same case", `{"kind":"1","\u212aind":"2"}`, "kind=1\u212aind=2", fault.ErrNotJSON},
		{"sign twice", `{"a":"1","sign":"1","SIGN":"2"}`, "SIGN=2a=1", fault.ErrNotJSON},
		{"same name twice inside", `{"a":{"b":1,"b":2}}`, `a={"b":1,"b":2}`, fault.ErrNotJSON},
		{"equals sign in a name", `{"a=1b":"2"}`, "a=1b=2", fault.ErrNotJSON},
		{"equals sign in a name by an escape", `{"a\u003d1b":"2"}`, "a=1b=2", fault.ErrNotJSON},
		{"empty name", `{"":"a=1b=2"}`, "=a=1b=2", fault.ErrNotJSON},
		{"not an object", `["a"]`, `["a"]`, fault.ErrNotJSON},
		{"null", `null`, "", fault.ErrNotJSON},
		{"more behind", `{"a":"1"}{"b":"2"}`, "a=1", fault.ErrNotJSON},
		{"not UTF-8", "{\"a\":\"\xff\"}", "a=\xff", fault.ErrNotJSON},
		{"half a surrogate pair", `{"a":"\ud83c"}`, "a=\ufffd", fault.ErrNotJSON},
		{"cut short", `{"a":"1"`, "a=1", fault.ErrTruncatedJSON},
		{"empty", ``, "", fault.ErrTruncatedJSON},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := verifier.Verify([]byte(c.data), testkit.TextSign(key, c.text))
			if c.want == nil {
				assert.NoError(t, err)
				return
			}
			assert.ErrorIs(t, err, c.want)
		})
	}
}

func TestGatewayPublicKey(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "signature: Ksher's V1 key has 512 bits, and its V2 key 2,048")
	for version, bits := range map[ksher.SignVersion]int{ksher.SignV1: 512, ksher.SignV2: 2048} {
		key := ksher.GatewayPublicKey(version)
		assert.Equal(t, bits, key.N.BitLen())
		assert.Equal(t, 65537, key.E)
		want := new(big.Int).Set(key.N)
		key.N.SetInt64(1)
		key.E = 3
		again := ksher.GatewayPublicKey(version)
		assert.Zero(t, want.Cmp(again.N))
		assert.Equal(t, 65537, again.E)
	}
	for _, version := range []ksher.SignVersion{0, 3, -1} {
		assert.Nil(t, ksher.GatewayPublicKey(version))
	}
}

// The mode is set before the program starts, so that this test starts itself.
func TestFIPSOnlyMode(t *testing.T) {
	const variable = "KSHER_TEST_FIPS_ONLY"
	if os.Getenv(variable) == "" {
		program, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestFIPSOnlyMode$", "-test.v")
		cmd.Env = append(os.Environ(), variable+"=1", "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestFIPSOnlyMode")
		return
	}
	require.True(t, fips140.Enabled())
	require.Panics(t, func() { md5.Sum(nil) })

	for _, bits := range []int{512, 2048} {
		client, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, bits))
		assert.ErrorContains(t, err, "fips140=only")
		assert.Nil(t, client)
	}
	for _, version := range []ksher.SignVersion{ksher.SignV1, ksher.SignV2} {
		verifier := testkit.NewVerifier(ksher.GatewayPublicKey(version))
		v := testkit.ReadVectors(t, "testdata/published-v1.json")[0]
		err := verifier.Verify(v.Data, v.Sign)
		assert.ErrorIs(t, err, ksher.ErrSignature)
		assert.ErrorContains(t, err, "fips140=only")

		body := fmt.Sprintf(`{"code":0,"data":%s,"sign":%q}`, v.Data, v.Sign)
		_, err = ksher.ParseNotification([]byte(body), verifier)
		assert.ErrorIs(t, err, ksher.ErrSignature)
		assert.ErrorContains(t, err, "fips140=only")
	}
	// What NewClient didn't make doesn't sign, either.
	_, err := new(ksher.Client).GatewayOrderQuery(context.Background(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "1"})
	assert.Error(t, err)
}

// failingSigner is a key that is out of reach, as one in an HSM may be.
type failingSigner struct {
	crypto.Signer
	err error
}

func (s failingSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, s.err }

func TestSignerThatFails(t *testing.T) {
	cause := errors.New("the HSM is gone")
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("something was sent without a signature")
	}))
	defer server.Close()
	client, err := ksher.NewClient(testkit.AppID, failingSigner{testkit.RSAKey(t, 1024), cause}, ksher.WithMerchantURL(server.URL))
	require.NoError(t, err)
	_, err = client.OrderClose(t.Context(), &ksher.OrderCloseRequest{MchOrderNo: "1"})
	assert.ErrorIs(t, err, cause)
	assert.ErrorContains(t, err, "nothing was sent")
	assert.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
}
