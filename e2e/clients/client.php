<?php
// Signs with openssl_sign's own default, SHA-1, and in Unix seconds, as a shop plugin does;
// at vip.ksher.net in lower-case hex, with a GET's parameters in a JSON body.

$url = getenv('SANDBOX');
$prefix = getenv('PREFIX');
$mine = file_get_contents(getenv('MERCHANT_KEY'));
$kshers = file_get_contents(getenv('GATEWAY_KEY'));

function fetch($method, $path, $body, $type)
{
    global $url;
    $http = ['method' => $method, 'header' => "Content-Type: $type", 'content' => $body, 'ignore_errors' => true];
    return json_decode(file_get_contents($url . $path, false, stream_context_create(['http' => $http])), true);
}

function text_of($members)
{
    $pairs = [];
    foreach ($members as $name => $value) {
        $pairs[] = "$name=$value";
    }
    sort($pairs, SORT_STRING);
    return implode('', $pairs);
}

function verified($data, $sign)
{
    global $kshers;
    return openssl_verify(text_of($data), hex2bin($sign), $kshers, OPENSSL_ALGO_MD5) === 1 ? 'verified' : 'forged';
}

function call($host, $operation, $params)
{
    global $mine;
    $params += ['appid' => getenv('APP_ID'), 'nonce_str' => bin2hex(random_bytes(8)), 'time_stamp' => time(), 'version' => '3.0.0'];
    openssl_sign(text_of($params), $signature, $mine);
    $params['sign'] = bin2hex($signature);
    $answer = fetch('POST', "$host/$operation", http_build_query($params), 'application/x-www-form-urlencoded');
    $data = $answer['data'];
    echo "$operation {$answer['code']} ", $data['result'] ?? '-', ' ', verified($data, $answer['sign']), "\n";
    echo "$operation changed ", verified(['appid' => 'mch2'] + $data, $answer['sign']), "\n";
    return $data;
}

function mac($path, $members)
{
    unset($members['signature'], $members['log_entry_url']);
    ksort($members, SORT_STRING);
    foreach ($members as $name => $value) {
        $path .= $name . (is_bool($value) ? ($value ? 'True' : 'False') : $value);
    }
    return hash_hmac('sha256', $path, getenv('VIP_TOKEN'));
}

function vip($what, $method, $path, $params)
{
    $params['timestamp'] = (string) time();
    $params['signature'] = mac($path, $params);
    $answer = fetch($method, $path, json_encode($params), 'application/json');
    $ok = hash_equals(mac($path, $answer), strtolower($answer['signature']));
    echo "vip $what {$answer['error_code']} {$answer['status']} ", $ok ? 'verified' : 'forged', "\n";
}

function pay($number)
{
    fetch('POST', "/control/orders/$number/pay", '{}', 'application/json');
}

$page = "$prefix-1";
$code = "$prefix-2";
$old = "$prefix-3";
call('/api', 'gateway_pay', ['mch_order_no' => $page, 'total_fee' => 10000, 'fee_type' => 'THB', 'channel_list' => 'wechat,promptpay', 'mch_code' => $page,
    'product_name' => 'กาแฟ', 'refer_url' => 'https://shop.example', 'mch_redirect_url' => 'https://shop.example/y', 'mch_redirect_url_fail' => 'https://shop.example/n']);
call('/api', 'gateway_order_query', ['mch_order_no' => $page]);
pay($page);
$order = call('/api', 'gateway_order_query', ['mch_order_no' => $page]);
// Ksher's number is right, and the other isn't the merchant host's.
call('/KsherPay', 'order_refund', ['ksher_order_no' => $order['ksher_order_no'], 'mch_order_no' => $page, 'mch_refund_no' => "$prefix-R",
    'refund_fee' => 2500, 'total_fee' => 10000, 'fee_type' => 'THB']);
call('/KsherPay', 'native_pay', ['mch_order_no' => $code, 'total_fee' => 4000, 'fee_type' => 'THB', 'channel' => 'wechat']);
call('/KsherPay', 'order_query', ['mch_order_no' => $code]);

$orders = '/api/v1/redirect/orders';
vip('create', 'POST', $orders, ['merchant_order_id' => $old, 'amount' => 100, 'channel' => 'card', 'mid' => null,
    'redirect_url' => 'https://shop.example/y', 'redirect_url_fail' => 'https://shop.example/n']);
pay($old);
vip('query', 'GET', "$orders/$old", []);
vip('refund', 'PUT', "$orders/$old", ['refund_order_id' => "$prefix-V", 'refund_amount' => 100]);
