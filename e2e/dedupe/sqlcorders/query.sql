-- name: CreateOrder :exec
INSERT INTO ksher_test_sqlc (no, total) VALUES ($1, $2);

-- name: MarkPaid :execrows
UPDATE ksher_test_sqlc SET paid = true WHERE no = $1 AND total = $2;

-- name: GetOrder :one
SELECT * FROM ksher_test_sqlc WHERE no = $1;
