<?php
// Creates an order. Needs the extension openssl, and allow_url_fopen.
$key = file_get_contents('{{url}}/setup/merchant.pem');

$params = [
  'appid' => '{{appid}}',
  'nonce_str' => bin2hex(random_bytes(16)),
  'time_stamp' => date('YmdHis'),
  'mch_order_no' => 'php' . time(),
{{params}}
];

// The text to sign: every name=value, sorted by name, with nothing between.
ksort($params, SORT_STRING);
$text = '';
foreach ($params as $name => $value) {
  $text .= "$name=$value";
}
openssl_sign($text, $sign, $key, OPENSSL_ALGO_MD5);
$params['sign'] = bin2hex($sign);

echo file_get_contents('{{gateway}}/gateway_pay', false, stream_context_create(['http' => [
  'method' => 'POST',
  'header' => 'Content-Type: application/x-www-form-urlencoded',
  'content' => http_build_query($params),
]]));
