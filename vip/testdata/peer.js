// Signs as a merchant's JavaScript program does: a list of cases on stdin, a signature a line on stdout.
const crypto = require('crypto');
const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));
for (const { prefix, members } of given.cases) {
  const values = JSON.parse(members);
  let text = prefix;
  for (const name of Object.keys(values).sort()) {
    if (name !== 'signature' && name !== 'log_entry_url') text += name + values[name];
  }
  console.log(crypto.createHmac('sha256', given.token).update(text, 'utf8').digest('hex').toUpperCase());
}
