/* SPDX-License-Identifier: Apache-2.0 */
/** @file api.h  How the functions of the library are declared. */
#ifndef PLAIT_API_H
#define PLAIT_API_H

/** Before every public function: exported when the library is built, imported when it is used. */
#if defined(_WIN32)
#if defined(PLAIT_BUILDING)
#define PLAIT_API __declspec(dllexport)
#else
#define PLAIT_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define PLAIT_API __attribute__((visibility("default")))
#else
#define PLAIT_API
#endif

#endif
