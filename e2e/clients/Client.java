// Signs with java.security.Signature; at vip.ksher.net each value is a JSON string, as an SDK
// for Java has it.
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

class Client {
    static final String PREFIX = System.getenv("PREFIX");
    static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    // A member of an object in which nothing is nested.
    static final Pattern MEMBER = Pattern.compile("\"(\\w+)\":(?:\"((?:[^\"\\\\]++|\\\\.)*+)\"|([^,{}\\[\\]\"]+))");
    static PrivateKey mine;
    static PublicKey kshers;

    static byte[] pem(String variable) throws Exception {
        String text = Files.readString(Path.of(System.getenv(variable)));
        return Base64.getMimeDecoder().decode(text.replaceAll("-----.*-----", ""));
    }

    static String fetch(String method, String path, String body, String type) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("SANDBOX") + path)).header("Content-Type", type)
            .method(method, HttpRequest.BodyPublishers.ofString(body)).build();
        return HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body();
    }

    static TreeMap<String, String> members(String object) {
        TreeMap<String, String> found = new TreeMap<>();
        Matcher m = MEMBER.matcher(object);
        while (m.find()) {
            found.put(m.group(1), m.group(2) == null ? m.group(3).trim() : unescaped(m.group(2)));
        }
        return found;
    }

    static String unescaped(String text) {
        text = Pattern.compile("\\\\u(\\w{4})").matcher(text)
            .replaceAll(m -> Matcher.quoteReplacement(String.valueOf((char) Integer.parseInt(m.group(1), 16))));
        return text.replace("\\n", "\n").replaceAll("\\\\(.)", "$1");
    }

    static byte[] textOf(Map<String, String> members) {
        return members.entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).sorted()
            .collect(Collectors.joining()).getBytes(StandardCharsets.UTF_8);
    }

    static String verified(Map<String, String> data, String sign) throws Exception {
        Signature verifier = Signature.getInstance("MD5withRSA");
        verifier.initVerify(kshers);
        verifier.update(textOf(data));
        try {
            return verifier.verify(HexFormat.of().parseHex(sign)) ? "verified" : "forged";
        } catch (SignatureException e) {
            return "forged";
        }
    }

    static Map<String, String> call(String host, String operation, String... pairs) throws Exception {
        TreeMap<String, String> params = paired(pairs);
        params.put("appid", System.getenv("APP_ID"));
        params.put("nonce_str", UUID.randomUUID().toString().replace("-", ""));
        params.put("time_stamp", LocalDateTime.now().format(DateTimeFormatter.ofPattern("yyyyMMddHHmmss")));
        Signature signer = Signature.getInstance("MD5withRSA");
        signer.initSign(mine);
        signer.update(textOf(params));
        params.put("sign", HexFormat.of().formatHex(signer.sign()));
        String form = params.entrySet().stream().map(e -> e.getKey() + "=" + URLEncoder.encode(e.getValue(), StandardCharsets.UTF_8))
            .collect(Collectors.joining("&"));
        String answer = fetch("POST", host + "/" + operation, form, "application/x-www-form-urlencoded");
        int from = answer.indexOf("\"data\":{"), to = answer.indexOf('}', from) + 1;
        Map<String, String> data = members(answer.substring(from + 7, to)), rest = members(answer.substring(0, from) + answer.substring(to));
        System.out.println(operation + " " + rest.get("code") + " " + data.getOrDefault("result", "-") + " " + verified(data, rest.get("sign")));
        TreeMap<String, String> changed = new TreeMap<>(data);
        changed.put("appid", "mch2");
        System.out.println(operation + " changed " + verified(changed, rest.get("sign")));
        return data;
    }

    static TreeMap<String, String> paired(String... pairs) {
        TreeMap<String, String> params = new TreeMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            params.put(pairs[i], pairs[i + 1]);
        }
        return params;
    }

    // Ksher signs booleans with a capital.
    static String mac(String path, Map<String, String> members) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(System.getenv("VIP_TOKEN").getBytes(), "HmacSHA256"));
        String text = path + members.entrySet().stream().filter(e -> !e.getKey().equals("signature"))
            .map(e -> e.getKey() + e.getValue().replaceFirst("^true$", "True").replaceFirst("^false$", "False")).collect(Collectors.joining());
        return HexFormat.of().withUpperCase().formatHex(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
    }

    static void vip(String what, String method, String path, String... pairs) throws Exception {
        TreeMap<String, String> params = paired(pairs);
        params.put("timestamp", String.valueOf(System.currentTimeMillis()));
        params.put("signature", mac(path, params));
        String query = params.entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).collect(Collectors.joining("&"));
        String body = params.entrySet().stream().map(e -> "\"" + e.getKey() + "\":\"" + e.getValue() + "\"").collect(Collectors.joining(",", "{", "}"));
        Map<String, String> answer = members(method.equals("GET") ? fetch(method, path + "?" + query, "", "application/json")
            : fetch(method, path, body, "application/json"));
        System.out.println("vip " + what + " " + answer.get("error_code") + " " + answer.get("status") + " "
            + (mac(path, answer).equals(answer.get("signature")) ? "verified" : "forged"));
    }

    static void pay(String number) throws Exception {
        fetch("POST", "/control/orders/" + number + "/pay", "{}", "application/json");
    }

    public static void main(String[] args) throws Exception {
        KeyFactory rsa = KeyFactory.getInstance("RSA");
        mine = rsa.generatePrivate(new PKCS8EncodedKeySpec(pem("MERCHANT_KEY_PKCS8")));
        kshers = rsa.generatePublic(new X509EncodedKeySpec(pem("GATEWAY_KEY")));
        String page = PREFIX + "-1", code = PREFIX + "-2", old = PREFIX + "-3";
        call("/api", "gateway_pay", "mch_order_no", page, "total_fee", "10000", "fee_type", "THB", "channel_list", "wechat,promptpay", "mch_code", page,
            "product_name", "กาแฟ", "refer_url", "https://shop.example",
            "mch_redirect_url", "https://shop.example/y", "mch_redirect_url_fail", "https://shop.example/n");
        call("/api", "gateway_order_query", "mch_order_no", page);
        pay(page);
        Map<String, String> order = call("/api", "gateway_order_query", "mch_order_no", page);
        call("/KsherPay", "order_refund", "mch_order_no", order.get("pay_mch_order_no"), "mch_refund_no", PREFIX + "-R",
            "refund_fee", "2500", "total_fee", "10000", "fee_type", "THB");
        call("/KsherPay", "native_pay", "mch_order_no", code, "total_fee", "4000", "fee_type", "THB", "channel", "wechat");
        call("/KsherPay", "order_query", "mch_order_no", code);

        String orders = "/api/v1/redirect/orders";
        vip("create", "POST", orders, "merchant_order_id", old, "amount", "100", "channel", "card",
            "redirect_url", "https://shop.example/y", "redirect_url_fail", "https://shop.example/n");
        pay(old);
        vip("query", "GET", orders + "/" + old);
        vip("refund", "PUT", orders + "/" + old, "refund_order_id", PREFIX + "-V", "refund_amount", "100");
    }
}
