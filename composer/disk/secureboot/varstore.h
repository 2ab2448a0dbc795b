/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/certificate.h"

/**
 * The variables of a UEFI firmware for virtual machines (EDK II, MdeModulePkg/Include/Guid/VariableFormat.h: authenticated variables in a firmware volume).
 */

/**
 * @template, which has no keys, with @certificate as platform key, key exchange key and only entry of the database of those who may sign (UEFI 2.10
 * 32.4): the firmware then has Secure Boot on. Owned. ASH_ERROR_CONFIG if @template is none, has variables, or has no room.
 */
GBytes *ash_varstore_enroll(GBytes *template, const AshCertificate *certificate, GError **error);
