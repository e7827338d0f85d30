/* The newest migration that this binary needs; `make check` holds it against migrations/. */
#ifndef FCGI_MIGRATIONS_H
#define FCGI_MIGRATIONS_H

#define MIGRATION_LEVEL "0011"

#endif
