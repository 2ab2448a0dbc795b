/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/lock.h"

#include "base/digest.h"
#include "base/error.h"

#include <stdbool.h>
#include <string.h>

#define LOCK_MAGIC "# ashlar lock 1"
#define DIGEST_PREFIX "sha256:"

static void
lock_repo_free(AshLockRepo *repo)
{
	g_free(repo->id);
	g_free(repo->repomd_sha256);
	g_free(repo);
}

AshLock *
ash_lock_new(const char *variant)
{
	AshLock *lock = g_new0(AshLock, 1);

	lock->variant = g_strdup(variant);
	lock->repos = g_ptr_array_new_with_free_func((GDestroyNotify)lock_repo_free);
	lock->set = ash_package_set_new();
	return lock;
}

void
ash_lock_free(AshLock *lock)
{
	if (lock == NULL)
		return;
	g_free(lock->variant);
	g_ptr_array_unref(lock->repos);
	ash_package_set_free(lock->set);
	g_free(lock);
}

void
ash_lock_add_repo(AshLock *lock, const char *id, const char *repomd_sha256)
{
	AshLockRepo *repo = g_new0(AshLockRepo, 1);

	repo->id = g_strdup(id);
	repo->repomd_sha256 = g_strdup(repomd_sha256);
	g_ptr_array_add(lock->repos, repo);
}

void
ash_lock_add_package(AshLock *lock, const AshPackage *package)
{
	AshPackage *copy = ash_package_new();

	copy->name = g_strdup(package->name);
	copy->epoch = package->epoch;
	copy->version = g_strdup(package->version);
	copy->release = g_strdup(package->release);
	copy->arch = g_strdup(package->arch);
	copy->sha256 = g_strdup(package->sha256);
	copy->repo_id = g_strdup(package->repo_id);
	copy->reason = package->reason;
	g_ptr_array_add(lock->set->packages, copy);
}

static int
compare_locks(gconstpointer a, gconstpointer b)
{
	return strcmp((*(AshLock *const *)a)->variant, (*(AshLock *const *)b)->variant);
}

static int
compare_repos(gconstpointer a, gconstpointer b)
{
	return strcmp((*(AshLockRepo *const *)a)->id, (*(AshLockRepo *const *)b)->id);
}

/* Borrowed elements of @array in a new array, sorted. */
static GPtrArray *
sorted_view(GPtrArray *array, GCompareFunc compare)
{
	GPtrArray *view = g_ptr_array_new();

	for (guint i = 0; i < array->len; i++)
		g_ptr_array_add(view, g_ptr_array_index(array, i));
	g_ptr_array_sort(view, compare);
	return view;
}

/* The package lines of @lock as owned strings, sorted by bytes: what a diff and the digest see. */
static GPtrArray *
package_lines(const AshLock *lock)
{
	GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(AshPackageSet) view = ash_package_set_new();

	g_ptr_array_set_free_func(view->packages, NULL);
	for (guint i = 0; i < lock->set->packages->len; i++)
		g_ptr_array_add(view->packages, g_ptr_array_index(lock->set->packages, i));
	ash_package_set_sort(view);
	for (guint i = 0; i < view->packages->len; i++) {
		const AshPackage *package = g_ptr_array_index(view->packages, i);
		g_autofree char *nevra = ash_package_dup_nevra(package);
		g_ptr_array_add(lines, g_strdup_printf("package %s " DIGEST_PREFIX "%s %s %s\n", nevra, package->sha256,
						       package->repo_id, ash_reason_to_string(package->reason)));
	}
	return lines;
}

static void
format_lock(GString *text, const AshLock *lock)
{
	g_autoptr(GPtrArray) repos = sorted_view(lock->repos, compare_repos);
	g_autoptr(GPtrArray) lines = package_lines(lock);

	g_string_append_printf(text, "variant %s\n", lock->variant);
	for (guint i = 0; i < repos->len; i++) {
		const AshLockRepo *repo = g_ptr_array_index(repos, i);
		g_string_append_printf(text, "repo %s " DIGEST_PREFIX "%s\n", repo->id, repo->repomd_sha256);
	}
	for (guint i = 0; i < lines->len; i++)
		g_string_append(text, g_ptr_array_index(lines, i));
}

char *
ash_lock_format(GPtrArray *locks)
{
	GString *text = g_string_new(LOCK_MAGIC "\n");
	g_autoptr(GPtrArray) sorted = sorted_view(locks, compare_locks);

	for (guint i = 0; i < sorted->len; i++)
		format_lock(text, g_ptr_array_index(sorted, i));
	return g_string_free(text, FALSE);
}

/* What the parser of one file carries from line to line. */
typedef struct {
	const char *file;
	guint line;
	GPtrArray *locks;
	AshLock *lock; /* borrowed: the variant that lines belong to, NULL before the first */
} LockParser;

static gboolean
parse_error(LockParser *parser, GError **error, const char *what)
{
	return ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: %s; make the lock again with --update-lock", parser->file,
			 parser->line, what);
}

/* Borrowed hex after "sha256:", NULL if @word is not exactly that. */
static const char *
digest_of(const char *word)
{
	guint8 sum[ASH_SHA256_SIZE];

	if (!g_str_has_prefix(word, DIGEST_PREFIX))
		return NULL;
	word += strlen(DIGEST_PREFIX);
	for (const char *c = word; *c != '\0'; c++)
		if (g_ascii_isupper(*c))
			return NULL;
	return strlen(word) == ASH_SHA256_HEX_SIZE - 1 && ash_hex_decode(word, sum, sizeof(sum)) ? word : NULL;
}

static gboolean
parse_variant(LockParser *parser, char **words, GError **error)
{
	if (ash_lock_find(parser->locks, words[1]) != NULL)
		return parse_error(parser, error, "variant: there is one of this name already");
	parser->lock = ash_lock_new(words[1]);
	g_ptr_array_add(parser->locks, parser->lock);
	return TRUE;
}

static gboolean
parse_repo(LockParser *parser, char **words, GError **error)
{
	const char *digest = digest_of(words[2]);

	if (digest == NULL)
		return parse_error(parser, error, "repo: its digest is not \"sha256:\" and 64 hex digits");
	ash_lock_add_repo(parser->lock, words[1], digest);
	return TRUE;
}

static gboolean
parse_package(LockParser *parser, char **words, GError **error)
{
	g_autoptr(AshPackage) package = ash_package_new();
	const char *digest = digest_of(words[2]);

	if (!ash_package_parse_nevra(words[1], package))
		return parse_error(parser, error, "package: not name-[epoch:]version-release.arch");
	if (digest == NULL)
		return parse_error(parser, error, "package: its digest is not \"sha256:\" and 64 hex digits");
	if (!ash_reason_parse(words[4], &package->reason))
		return parse_error(parser, error, "package: its reason is not user, group, dependency or weak");
	package->sha256 = g_strdup(digest);
	package->repo_id = g_strdup(words[3]);
	g_ptr_array_add(parser->lock->set->packages, g_steal_pointer(&package));
	return TRUE;
}

static const struct {
	const char *keyword;
	guint n_words;
	bool in_variant; /* only after a "variant" line */
	gboolean (*parse)(LockParser *parser, char **words, GError **error);
} line_kinds[] = {
	{ "variant", 2, false, parse_variant },
	{ "repo", 3, true, parse_repo },
	{ "package", 5, true, parse_package },
};

static gboolean
parse_line(LockParser *parser, const char *line, GError **error)
{
	g_auto(GStrv) words = g_strsplit(line, " ", 0);

	for (gsize i = 0; i < G_N_ELEMENTS(line_kinds); i++) {
		if (!g_str_equal(words[0], line_kinds[i].keyword))
			continue;
		if (line_kinds[i].in_variant && parser->lock == NULL)
			return parse_error(parser, error, "no \"variant\" line comes before this one");
		if (g_strv_length(words) != line_kinds[i].n_words)
			return parse_error(parser, error, "wrong number of words");
		return line_kinds[i].parse(parser, words, error);
	}
	return parse_error(parser, error, "neither variant, repo nor package");
}

GPtrArray *
ash_lock_parse(const char *text, const char *file, GError **error)
{
	g_autoptr(GPtrArray) locks = g_ptr_array_new_with_free_func((GDestroyNotify)ash_lock_free);
	g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
	LockParser parser = { .file = file, .line = 1, .locks = locks };

	if (lines[0] == NULL || !g_str_equal(lines[0], LOCK_MAGIC)) {
		parse_error(&parser, error, "the first line is not \"" LOCK_MAGIC "\"");
		return NULL;
	}
	for (char **line = lines + 1; *line != NULL; line++) {
		parser.line++;
		if (**line == '\0' || **line == '#')
			continue;
		if (!parse_line(&parser, *line, error))
			return NULL;
	}
	return g_steal_pointer(&locks);
}

AshLock *
ash_lock_find(GPtrArray *locks, const char *variant)
{
	for (guint i = 0; i < locks->len; i++) {
		AshLock *lock = g_ptr_array_index(locks, i);
		if (g_str_equal(lock->variant, variant))
			return lock;
	}
	return NULL;
}

char *
ash_lock_dup_digest(const AshLock *lock)
{
	g_autoptr(GPtrArray) lines = package_lines(lock);
	g_autoptr(AshDigest) digest = ash_digest_new();

	for (guint i = 0; i < lines->len; i++) {
		const char *line = g_ptr_array_index(lines, i);
		ash_digest_update(digest, line, strlen(line));
	}
	return ash_digest_finish_hex(digest);
}

/* NEVRA -> borrowed AshPackage. */
static GHashTable *
index_by_nevra(const AshLock *lock)
{
	GHashTable *index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (guint i = 0; i < lock->set->packages->len; i++) {
		AshPackage *package = g_ptr_array_index(lock->set->packages, i);
		g_hash_table_insert(index, ash_package_dup_nevra(package), package);
	}
	return index;
}

/* What of a package both locks have differs; NULL if nothing. Borrowed. */
static const char *
changed_field(const AshPackage *from, const AshPackage *to)
{
	if (g_strcmp0(from->sha256, to->sha256) != 0)
		return "digest";
	if (g_strcmp0(from->repo_id, to->repo_id) != 0)
		return "repository";
	return from->reason != to->reason ? "reason" : NULL;
}

/* Sorted by NEVRA, that is by what follows the sign: a changed version's two lines stand together. */
static int
compare_diff_lines(gconstpointer a, gconstpointer b)
{
	const char *left = *(char *const *)a, *right = *(char *const *)b;
	int order = strcmp(left + 2, right + 2);

	return order != 0 ? order : strcmp(left, right);
}

char *
ash_lock_diff(const AshLock *from, const AshLock *to)
{
	g_autoptr(GHashTable) before = index_by_nevra(from), after = index_by_nevra(to);
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
	GString *text = g_string_new(NULL);
	GHashTableIter iter;
	gpointer nevra, package;

	g_hash_table_iter_init(&iter, before);
	while (g_hash_table_iter_next(&iter, &nevra, &package)) {
		const AshPackage *other = g_hash_table_lookup(after, nevra);
		const char *field = other != NULL ? changed_field(package, other) : NULL;
		if (other == NULL)
			g_ptr_array_add(lines, g_strdup_printf("- %s\n", (char *)nevra));
		else if (field != NULL)
			g_ptr_array_add(lines, g_strdup_printf("~ %s: %s\n", (char *)nevra, field));
	}
	g_hash_table_iter_init(&iter, after);
	while (g_hash_table_iter_next(&iter, &nevra, &package))
		if (!g_hash_table_contains(before, nevra))
			g_ptr_array_add(lines, g_strdup_printf("+ %s\n", (char *)nevra));
	g_ptr_array_sort(lines, compare_diff_lines);
	for (guint i = 0; i < lines->len; i++)
		g_string_append(text, g_ptr_array_index(lines, i));
	return g_string_free(text, FALSE);
}
