/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/transaction.h"

void
ash_transaction_plan_add_set(AshTransactionPlan *plan, const AshPackageSet *set)
{
	for (guint i = 0; i < set->packages->len; i++) {
		const AshPackage *package = g_ptr_array_index(set->packages, i);
		g_autofree char *nevra = ash_package_dup_nevra(package);
		ash_transaction_plan_add(plan, package->path, nevra);
	}
}
