// Signs a JWT with the key file that a stack keeps, for the user in SUB, ROLE and TTL. Called by scripts/token.
import { createHmac, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

const { SUB, ROLE, TTL } = process.env;
const { alg, key, iss, aud } = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const refuse = (why) => {
  console.error(`✗ ${why}`);
  process.exit(1);
};
if (!/^[A-Za-z0-9._:@|+=/-]{1,255}$/.test(SUB)) refuse(`SUB=${SUB}: 1 to 255 of A-Z a-z 0-9 . _ : @ | + = / -`);
if (!['user', 'admin'].includes(ROLE)) refuse(`ROLE=${ROLE}: user or admin`);
if (!/^-?\d{1,10}$/.test(TTL)) refuse(`TTL=${TTL}: seconds`);
if (!key) refuse(`the stack's ${alg} tokens are signed with a key that is not here`);

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = Math.floor(Date.now() / 1000);
const signed = `${encode({ alg, typ: 'JWT' })}.${encode({ sub: SUB, role: ROLE, iat: now, exp: now + Number(TTL), iss, aud })}`;
const signature =
  alg === 'HS256'
    ? createHmac('sha256', key).update(signed).digest()
    : sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
console.log(`${signed}.${signature.toString('base64url')}`);
